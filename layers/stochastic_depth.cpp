// torchvision.ops.stochastic_depth(mode="row"), timm's DropPath (Huang et al. 2016): each sample of x [N,H,W,C] becomes
// 0 with probability `rate` and is divided by 1 - rate otherwise. Linear, so the gradient is the same map of dy. With a
// shortcut, y = shortcut + that, whose gradient is dy.
#include <algorithm>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

constexpr i64 kAtOnce = 256;  // samples whose factors travel with a launch: nothing is copied to a device

struct Samples {
  float factors[kAtOnce];
  i64 pixels, C;
  MD_HD float factor(i64 pixel) const { return factors[unravel(pixel, {kAnyExtent, pixels})[0]]; }
};

template <class T>
struct Scale {
  Samples samples;
  const T* x;  // [at most kAtOnce,pixels,C]
  T* y;
  MD_HD void operator()(i64 pixel, i64 c) const {
    y[pixel * samples.C + c] = samples.factor(pixel) * x[pixel * samples.C + c];
  }
};

template <class T>
struct ScaleAndAdd {
  Samples samples;
  const T *x, *shortcut;
  T* y;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const i64 at = pixel * samples.C + c;
    y[at] = shortcut[at] + samples.factor(pixel) * x[at];
  }
};

/// Calls launch(samples, rows, C, offset) for as many samples at once as a launch takes, of elements that are `n`
/// channels each; where they begin.
template <class Launch>
void for_samples(const Tensor& x, const std::vector<float>& factors, i64 n, const Launch& launch) {
  const i64 N = x.dim(0), pixels = x.dim(1) * x.dim(2), C = x.dim(3) / n;
  for (i64 first = 0; first < N; first += kAtOnce) {
    const i64 here = std::min(kAtOnce, N - first);
    Samples samples{{}, pixels, C};
    std::copy_n(factors.begin() + first, here, samples.factors);
    launch(samples, here * pixels, C, first * pixels * C);
  }
}

Tensor scaled(const Tensor& x, const std::vector<float>& factors) {
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_wide_storage({x, y}, {x.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    for_samples(x, factors, n, [&](const Samples& samples, i64 rows, i64 C, i64 at) {
      launch(x.device(), rows, C, Scale<T>{samples, elements<T>(x) + at, elements<T>(y) + at});
    });
  });
  return y;
}

/// On a CPU in two steps, as its threads leave little of the second's time: the bits of an addition of its own.
Tensor sum_with_scaled(const Tensor& shortcut, const Tensor& x, const std::vector<float>& factors) {
  if (x.device().kind == Device::cpu) {
    const Tensor y = scaled(x, factors);
    backend(x.device()).add_into(y, shortcut);
    return y;
  }
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_wide_storage({x, shortcut, y}, {x.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    for_samples(x, factors, n, [&](const Samples& samples, i64 rows, i64 C, i64 at) {
      launch(x.device(), rows, C,
             ScaleAndAdd<T>{samples, elements<T>(x) + at, elements<T>(shortcut) + at, elements<T>(y) + at});
    });
  });
  return y;
}

std::vector<float> drawn(const char* op, const Tensor& x, double rate, Rng& rng) {
  require_image(op, x);
  MD_CHECK(rate >= 0 && rate < 1, op, ": rate ", rate, " is not in [0,1)");
  std::vector<float> factors;
  for (i64 n = 0; n < x.dim(0); ++n) factors.push_back(rng.uniform() < rate ? 0.F : static_cast<float>(1 / (1 - rate)));
  return factors;
}

}  // namespace

Tensor stochastic_depth(const Tensor& x, double rate, Rng rng) {
  const std::vector<float> factors = drawn("stochastic_depth", x, rate, rng);
  return record("stochastic_depth", scaled(x, factors), {x},
                [factors](const Tensor& dy, Needs) -> Grads { return {scaled(dy, factors)}; });
}

Tensor add_stochastic_depth(const Tensor& shortcut, const Tensor& branch, double rate, Rng rng) {
  const std::vector<float> factors = drawn("add_stochastic_depth", branch, rate, rng);
  require_same_shape("add_stochastic_depth", shortcut, branch);
  return record("add_stochastic_depth", sum_with_scaled(shortcut, branch, factors), {shortcut, branch},
                [factors](const Tensor& dy, Needs needs) -> Grads {
                  return {dy, needs[1] ? scaled(dy, factors) : Tensor()};
                });
}

}  // namespace md
