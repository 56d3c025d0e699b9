// Sum and mean over everything (torch.sum, torch.mean), in double partial sums of fixed order. The gradient of a sum is
// its upstream gradient, spread over every element.
#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Spread {
  const float* dy;  // scalar
  float* dx;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { dx[o * row + i] = *dy; }
};

}  // namespace

// y = sum over i of x_i: dx_i = dy.
Tensor sum(const Tensor& x) {
  const Tensor y = Tensor::empty(Shape{}, x.device());
  backend(x.device()).reduce_sum(x, {}, 1, x.numel(), 1, y);
  return record("sum", y, {x}, [shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    const Rows rows = pointwise_rows(shape);
    const Tensor dx = Tensor::empty(shape, dy.device());
    launch(dy.device(), rows.outer, rows.inner, Spread{dy.data(), dx.data(), rows.inner});
    return {dx};
  });
}

// y = sum / n: dx_i = dy / n, through scale().
Tensor mean(const Tensor& x) {
  MD_CHECK(x.numel() > 0, "mean: input ", x.shape(), " is empty");
  return scale(sum(x), 1.F / static_cast<float>(x.numel()));
}

}  // namespace md
