#include "engine/cuda/conv_kernels.h"

#include "engine/bf16.h"
#include "engine/fused_activation.h"
#include "engine/pointwise.h"

namespace md::cuda {
namespace {

struct Same {
  MD_HD float operator()(float x) const { return x; }
};

template <class Curve, class T>
struct AddBiasAndActivate {
  Curve curve;
  const T* z;         // [rows,C], maybe y itself
  const float* bias;  // [C] or null
  T* y;
  i64 channels;
  bool accumulate;
  MD_HD void operator()(i64 row, i64 c) const {
    const i64 at = row * channels + c;
    float sum = z[at];
    if (bias) sum += bias[c];
    if (accumulate) sum += y[at];
    y[at] = curve.value(sum);
  }
};

}  // namespace

void convert(const Tensor& from, const Tensor& to) {
  with_storage(from.dtype(), [&](auto from_storage) {
    with_storage(to.dtype(), [&](auto to_storage) {
      pointwise(to.device(), 1, to.numel(), Same{}, to.data<decltype(to_storage)>(),
                from.data<decltype(from_storage)>());
    });
  });
}

void add_bias_and_activate(const Tensor& z, const Tensor& bias, bool accumulate, const Activation& act,
                           const Tensor& y) {
  const i64 channels = y.dim(-1);
  with_storage(y.dtype(), [&](auto storage) {
    using T = decltype(storage);
    with_curve(act, [&](auto curve) {
      md::launch(y.device(), y.numel() / channels, channels,
                 AddBiasAndActivate<decltype(curve), T>{curve, z.data<T>(), bias ? bias.data() : nullptr, y.data<T>(),
                                                        channels, accumulate});
    });
  });
}

}  // namespace md::cuda
