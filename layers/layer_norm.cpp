// torch.nn.functional.layer_norm over the last axis: each row of x [...,C] gets mean 0 and variance 1 (biased), then
// y = xhat * weight + bias. The kernels are the backend's (engine/cpu/layer_norm.cpp has the formulas).
#include "engine/autograd.h"
#include "engine/backend.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps) {
  MD_CHECK(x.shape().rank() > 0 && x.numel() > 0, "layer_norm: input ", x.shape(), " wants [...,C]");
  const Shape per_channel{x.dim(-1)};
  MD_CHECK(weight.shape() == per_channel && bias.shape() == per_channel, "layer_norm: weight ", weight.shape(),
           " and bias ", bias.shape(), " for input ", x.shape());
  require_together("layer_norm", {x}, {weight, bias});
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  const Shape per_row{x.numel() / x.dim(-1)};
  const Tensor mean = Tensor::empty(per_row, x.device()), rstd = Tensor::empty(per_row, x.device());
  backend(x.device()).layer_norm(eps, x, weight, bias, y, mean, rstd);
  const Saved saved_x(x), saved_weight(weight);
  const Tensor recorded =
      record({"layer_norm", eps}, y, {x, weight, bias},
             [x = saved_x, weight = saved_weight, mean, rstd](const Tensor& dy, Needs needs) -> Grads {
               Backend& b = backend(dy.device());
               const Tensor dweight = Tensor::empty(weight.shape(), dy.device()),
                            dbias = Tensor::empty(weight.shape(), dy.device());
               Tensor dx = needs[0] ? needs.take_sum(0) : Tensor();  // of a shortcut beside the norm
               if (dx) {
                 b.add_layer_norm_backward(dy, *x, *weight, mean, rstd, dx, dweight, dbias);
               } else {
                 if (needs[0]) dx = Tensor::empty(x.shape(), dy.device(), dy.dtype());
                 b.layer_norm_backward(dy, *x, *weight, mean, rstd, dx, dweight, dbias);
               }
               return {dx, dweight, dbias};
             });
  can_be_made_again(recorded, [eps, x = saved_x, weight = saved_weight, bias = Saved(bias), mean, rstd] {
    const Tensor again = Tensor::empty(x.shape(), mean.device(), x->dtype());
    backend(mean.device()).layer_norm(eps, *x, *weight, *bias, again, mean, rstd);  // the statistics: the same numbers
    return again;
  });
  return recorded;
}

}  // namespace md
