#include "engine/cuda/conv_kernels.h"

#include "engine/fused_activation.h"
#include "engine/launch.h"

namespace md::cuda {
namespace {

struct Transpose {
  const float* from;  // [rows,columns]
  float* to;          // [columns,rows]
  i64 rows, columns;
  MD_HD void operator()(i64 column, i64 row) const { to[column * rows + row] = from[row * columns + column]; }
};

template <class Curve>
struct AddBiasAndActivate {
  Curve curve;
  const float* z;     // [rows,C], maybe y itself
  const float* bias;  // [C] or null
  float* y;
  i64 channels;
  bool accumulate;
  MD_HD void operator()(i64 row, i64 c) const {
    const i64 at = row * channels + c;
    float sum = bias ? z[at] + bias[c] : z[at];
    if (accumulate) sum += y[at];
    y[at] = curve.value(sum);
  }
};

}  // namespace

void transpose(const float* from, i64 rows, i64 columns, float* to) {
  cuda::launch(columns, rows, Transpose{from, to, rows, columns});
}

void add_bias_and_activate(const Tensor& z, const Tensor& bias, bool accumulate, const Activation& act,
                           const Tensor& y) {
  const i64 channels = y.dim(-1);
  with_curve(act, [&](auto curve) {
    md::launch(y.device(), y.numel() / channels, channels,
               AddBiasAndActivate<decltype(curve)>{curve, z.data(), bias ? bias.data() : nullptr, y.data(), channels,
                                                   accumulate});
  });
}

}  // namespace md::cuda
