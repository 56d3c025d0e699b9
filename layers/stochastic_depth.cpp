// torchvision.ops.stochastic_depth(mode="row"), timm's DropPath (Huang et al. 2016): each sample of x [N,H,W,C] becomes
// 0 with probability `rate` and is divided by 1 - rate otherwise. Linear, so the gradient is the same map of dy.
#include "layers/common.h"
#include "layers/ops.h"

namespace md {

Tensor stochastic_depth(const Tensor& x, double rate, Rng rng) {
  require_image("stochastic_depth", x);
  MD_CHECK(rate >= 0 && rate < 1, "stochastic_depth: rate ", rate, " is not in [0,1)");
  const i64 N = x.dim(0), C = x.dim(3);
  std::vector<float> factors;
  for (i64 n = 0; n < N; ++n) {
    const float factor = rng.uniform() < rate ? 0.F : static_cast<float>(1 / (1 - rate));
    factors.insert(factors.end(), static_cast<std::size_t>(C), factor);
  }
  return multiply_channels(x, Tensor::from_host(factors, {N, 1, 1, C}, x.device()));
}

}  // namespace md
