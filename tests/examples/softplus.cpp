// Example of a new op, as layers/softplus.cpp would be: y = ln(1 + e^x), written as max(x, 0) + ln(1 + e^-|x|), so that
// nothing overflows.
//   dx = dy / (1 + e^-x)
#include "tests/examples/softplus.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"

namespace md::examples {
namespace {

struct Softplus {
  const float* x;
  float* y;
  i64 row;
  MD_HD void operator()(i64 outer, i64 inner) const {
    const i64 i = outer * row + inner;
    y[i] = (x[i] > 0.F ? x[i] : 0.F) + log1pf(expf(-fabsf(x[i])));
  }
};

struct SoftplusGradient {
  const float *x, *dy;
  float* dx;
  i64 row;
  MD_HD void operator()(i64 outer, i64 inner) const {
    const i64 i = outer * row + inner;
    dx[i] = dy[i] / (1.F + expf(-x[i]));
  }
};

}  // namespace

Tensor softplus(const Tensor& x) {
  const Tensor y = Tensor::empty(x.shape(), x.device());
  const Rows rows = pointwise_rows(x.shape());  // long enough to vectorise along
  launch(x.device(), rows.outer, rows.inner, Softplus{x.data(), y.data(), rows.inner});
  return record("softplus", y, {x}, [rows, x = Saved(x)](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(dy.shape(), dy.device());
    launch(dy.device(), rows.outer, rows.inner, SoftplusGradient{x->data(), dy.data(), dx.data(), rows.inner});
    return {dx};
  });
}

}  // namespace md::examples
