// torchvision.ops.stochastic_depth(mode="row"), timm's DropPath (Huang et al. 2016): each sample of x [N,H,W,C] becomes
// 0 with probability `rate` and is divided by 1 - rate otherwise. Linear, so the gradient is the same map of dy.
#include <algorithm>

#include "engine/autograd.h"
#include "engine/bf16.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

constexpr i64 kAtOnce = 256;  // samples whose factors travel with a launch: nothing is copied to a device

template <class T>
struct Scale {
  float factors[kAtOnce];
  const T* x;  // [at most kAtOnce,pixels,C]
  T* y;
  i64 pixels, C;
  MD_HD void operator()(i64 pixel, i64 c) const {
    y[pixel * C + c] = x[pixel * C + c] * factors[unravel(pixel, {kAnyExtent, pixels})[0]];
  }
};

template <class T>
void scale_samples(const Tensor& x, const std::vector<float>& factors, const Tensor& y) {
  const i64 N = x.dim(0), pixels = x.dim(1) * x.dim(2), C = x.dim(3);
  for (i64 first = 0; first < N; first += kAtOnce) {
    const i64 samples = std::min(kAtOnce, N - first), at = first * pixels * C;
    Scale<T> scale{{}, x.data<T>() + at, y.data<T>() + at, pixels, C};
    std::copy_n(factors.begin() + first, samples, scale.factors);
    launch(x.device(), samples * pixels, C, scale);
  }
}

Tensor scaled(const Tensor& x, const std::vector<float>& factors) {
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_storage(x.dtype(), [&](auto storage) { scale_samples<decltype(storage)>(x, factors, y); });
  return y;
}

}  // namespace

Tensor stochastic_depth(const Tensor& x, double rate, Rng rng) {
  require_image("stochastic_depth", x);
  MD_CHECK(rate >= 0 && rate < 1, "stochastic_depth: rate ", rate, " is not in [0,1)");
  std::vector<float> factors;
  for (i64 n = 0; n < x.dim(0); ++n) factors.push_back(rng.uniform() < rate ? 0.F : static_cast<float>(1 / (1 - rate)));
  return record("stochastic_depth", scaled(x, factors), {x},
                [factors](const Tensor& dy, Needs) -> Grads { return {scaled(dy, factors)}; });
}

}  // namespace md
