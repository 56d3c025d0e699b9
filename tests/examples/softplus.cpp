// Example of a new op, as layers/softplus.cpp would be: y = ln(1 + e^x), written as max(x, 0) + ln(1 + e^-|x|), so that
// nothing overflows.
//   dx = dy / (1 + e^-x)
#include "tests/examples/softplus.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"

namespace md::examples {
namespace {

struct Softplus {
  const float* x;
  float* y;
  MD_HD void operator()(i64 i, i64) const { y[i] = (x[i] > 0.F ? x[i] : 0.F) + log1pf(expf(-fabsf(x[i]))); }
};

struct SoftplusGradient {
  const float *x, *dy;
  float* dx;
  MD_HD void operator()(i64 i, i64) const { dx[i] = dy[i] / (1.F + expf(-x[i])); }
};

}  // namespace

Tensor softplus(const Tensor& x) {
  const Tensor y = Tensor::empty(x.shape(), x.device());
  launch(x.device(), x.numel(), 1, Softplus{x.data(), y.data()});
  return record("softplus", y, {x}, [x = Saved(x)](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(dy.shape(), dy.device());
    launch(dy.device(), dy.numel(), 1, SoftplusGradient{x->data(), dy.data(), dx.data()});
    return {dx};
  });
}

}  // namespace md::examples
