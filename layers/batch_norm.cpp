// batch_norm: torch.nn.functional.batch_norm followed by an activation, over all axes but the last. x [...,C].
//   training:   mean, var of the batch (biased var normalises);  running = (1 - momentum)*running + momentum*batch,
//               with the UNBIASED batch variance
//   evaluation: the running statistics
//   y = act(weight * (x - mean) / sqrt(var + eps) + bias)
// The two passes over memory and their gradients are the backend's (engine/cpu/batch_norm.cpp has the formulas).
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct InverseRoot {
  const float* variance;  // [C]
  float* rstd;
  float eps;
  MD_HD void operator()(i64, i64 c) const { rstd[c] = 1.F / sqrtf(variance[c] + eps); }
};

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormState& s) {
  MD_CHECK(x.shape().rank() >= 2 && x.numel() > 0, "batch_norm: input ", x.shape(), " wants [...,C]");
  const Shape per_channel{x.dim(-1)};
  for (const Tensor* t : {&weight, &bias, &s.running_mean, &s.running_var}) {
    MD_CHECK(t->shape() == per_channel, "batch_norm: ", t->shape(), " for input ", x.shape());
  }
  require_together("batch_norm", {x, weight, bias, s.running_mean, s.running_var});
  const Tensor& batches = s.batches_tracked;
  MD_CHECK(!batches || (batches.dtype() == DType::i32 && batches.numel() == 1 && batches.device() == x.device()),
           "batch_norm: batches_tracked is no i32 number beside the input");
  MD_CHECK(!s.training || x.numel() > x.dim(-1), "batch_norm: one value per channel has no variance, input ",
           x.shape());
}

}  // namespace

// With xhat = (x - mean) * rstd, dz = dy * act'(weight * xhat + bias) and R values per channel (Ioffe & Szegedy 2015):
//   dbias = sum dz;  dweight = sum dz * xhat
//   training:    dx = weight * rstd * (dz - dbias/R - xhat * dweight/R)
//   evaluation:  dx = weight * rstd * dz
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const BatchNormState& state,
                  const BatchNormSpec& spec) {
  check(x, weight, bias, state);
  Backend& b = backend(x.device());
  const i64 C = x.dim(-1);
  const Tensor mean = Tensor::empty({C}, x.device()), rstd = Tensor::empty({C}, x.device());
  if (state.training) {
    b.batch_norm_statistics(spec, x, {state.running_mean, state.running_var, state.batches_tracked, state.momentum},
                            mean, rstd);
    for (const Tensor* t : {&state.running_mean, &state.running_var, &state.batches_tracked}) {
      if (*t) t->bump_version();
    }
  } else {
    // A copy: the running statistics may move on before the backward.
    b.copy(mean.raw(), state.running_mean.raw(), mean.bytes());
    launch(x.device(), 1, C, InverseRoot{state.running_var.data(), rstd.data(), spec.eps});
  }
  Tensor y = Tensor::empty(x.shape(), x.device());
  b.batch_norm(spec, x, weight, bias, mean, rstd, y);
  const bool training = state.training;
  return record({"batch_norm", std::pair(state, spec)}, y, {x, weight, bias},
                [spec, training, x = Saved(x), weight = Saved(weight), bias = Saved(bias), mean, rstd](
                    const Tensor& dy, Needs needs) -> Grads {
                  const Tensor dx = needs[0] ? Tensor::empty(dy.shape(), dy.device()) : Tensor();
                  const Tensor dweight = Tensor::empty(mean.shape(), dy.device()),
                               dbias = Tensor::empty(mean.shape(), dy.device());
                  backend(dy.device())
                      .batch_norm_backward(spec, training, dy, *x, *weight, *bias, mean, rstd, dx, dweight, dbias);
                  return {dx, dweight, dbias};
                });
}

}  // namespace md
