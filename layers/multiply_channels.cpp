// y[n,h,w,c] = x[n,h,w,c] * s[n,c], the gate of squeeze-and-excitation (PyTorch: x * s by broadcasting).
//   dx[n,h,w,c] = dy[n,h,w,c] * s[n,c]        ds[n,c] = sum over h,w of dy[n,h,w,c] * x[n,h,w,c]
#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Gate {
  const float *x, *s;  // [N*pixels,C], [N,C]
  float* y;
  i64 pixels, channels;
  MD_HD void operator()(i64 pixel, i64 c) const {
    y[pixel * channels + c] = x[pixel * channels + c] * s[pixel / pixels * channels + c];
  }
};

Tensor gated(const Tensor& x, const Tensor& s) {
  const Tensor y = Tensor::empty(x.shape(), x.device());
  const i64 pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  launch(x.device(), x.dim(0) * pixels, channels, Gate{x.data(), s.data(), y.data(), pixels, channels});
  return y;
}

}  // namespace

Tensor multiply_channels(const Tensor& x, const Tensor& s) {
  require_image("multiply_channels", x);
  require_together("multiply_channels", {x, s});
  MD_CHECK((s.shape() == Shape{x.dim(0), 1, 1, x.dim(3)}), "multiply_channels: input ", x.shape(), " wants a gate ",
           Shape{x.dim(0), 1, 1, x.dim(3)}, ", not ", s.shape());
  return record("multiply_channels", gated(x, s), {x, s},
                [x = Saved(x), s = Saved(s)](const Tensor& dy, Needs needs) -> Grads {
                  Tensor ds;
                  if (needs[1]) {
                    ds = Tensor::empty(s.shape(), dy.device());
                    backend(dy.device()).reduce_sum(dy, *x, dy.dim(0), dy.dim(1) * dy.dim(2), dy.dim(3), ds);
                  }
                  return {needs[0] ? gated(dy, *s) : Tensor(), ds};
                });
}

}  // namespace md
