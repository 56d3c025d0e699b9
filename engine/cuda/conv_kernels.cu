#include "engine/cuda/conv_kernels.h"

#include "engine/launch.h"

namespace md::cuda {
namespace {

struct Transpose {
  const float* from;  // [rows,columns]
  float* to;          // [columns,rows]
  i64 rows, columns;
  MD_HD void operator()(i64 column, i64 row) const { to[column * rows + row] = from[row * columns + column]; }
};

struct AddBiasAndActivate {
  float* y;           // [rows,C]
  const float* bias;  // [C] or null
  i64 channels;
  float slope;  // 1: no activation
  MD_HD void operator()(i64 row, i64 c) const {
    const i64 at = row * channels + c;
    const float z = bias ? y[at] + bias[c] : y[at];
    y[at] = z > 0.F ? z : slope * z;
  }
};

}  // namespace

void transpose(const float* from, i64 rows, i64 columns, float* to) {
  cuda::launch(columns, rows, Transpose{from, to, rows, columns});
}

void add_bias_and_activate(const Tensor& y, const Tensor& bias, const Activation& act) {
  const i64 channels = y.dim(-1);
  const float slope = act.kind == Act::leaky_relu ? act.slope : 1.F;
  md::launch(y.device(), y.numel() / channels, channels,
             AddBiasAndActivate{y.data(), bias ? bias.data() : nullptr, channels, slope});
}

}  // namespace md::cuda
