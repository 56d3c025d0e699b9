// torchvision.ops.stochastic_depth(mode="row"), timm's DropPath (Huang et al. 2016): each sample of x [N,H,W,C] becomes
// 0 with probability `rate` and is divided by 1 - rate otherwise. Linear, so the gradient is the same map of dy. With a
// shortcut, y = shortcut + that, whose gradient is dy. What is drawn are the samples' factors, those of several maps at
// once.
#include <algorithm>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/philox.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Samples {
  const float* factors;  // [N]
  i64 pixels, C;
  MD_HD float factor(i64 pixel) const { return factors[unravel(pixel, {kAnyExtent, pixels})[0]]; }
};

template <class T>
struct Scale {
  Samples samples;
  const T* x;  // [N,pixels,C]
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

/// Of x as elements that are `n` channels each.
Samples samples_of(const Tensor& x, const Tensor& factors, i64 n) {
  return {factors.data(), x.dim(1) * x.dim(2), x.dim(3) / n};
}

Tensor scaled(const Tensor& x, const Tensor& factors) {
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_wide_storage({x, y}, {x.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    const Samples samples = samples_of(x, factors, n);
    launch(x.device(), x.dim(0) * samples.pixels, samples.C, Scale<T>{samples, elements<T>(x), elements<T>(y)});
  });
  return y;
}

/// On a CPU in two steps, as its threads leave little of the second's time: the bits of an addition of its own.
Tensor sum_with_scaled(const Tensor& shortcut, const Tensor& x, const Tensor& factors) {
  if (x.device().kind == Device::cpu) {
    const Tensor y = scaled(x, factors);
    backend(x.device()).add_into(y, shortcut);
    return y;
  }
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_wide_storage({x, shortcut, y}, {x.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    const Samples samples = samples_of(x, factors, n);
    launch(x.device(), x.dim(0) * samples.pixels, samples.C,
           ScaleAndAdd<T>{samples, elements<T>(x), elements<T>(shortcut), elements<T>(y)});
  });
  return y;
}

/// A call draws the samples of one map.
struct DrawFactors {
  static constexpr i64 kMost = 256;  // maps of a launch: kernel parameters end at 4 KB
  double rates[kMost];
  std::uint64_t seed, stream;  // of the first map
  StepNumber::View step;
  i64 first_sample, samples;
  float* factors;  // [maps,samples]
  MD_HD void operator()(i64, i64 map) const {
    PhiloxDraws draws(seed, Purpose::drop_path, stream + std::uint64_t(map), std::uint64_t(step.number()));
    const double rate = rates[map];
    for (i64 n = 0; n < first_sample; ++n) draws.uniform();
    for (i64 n = 0; n < samples; ++n)
      factors[map * samples + n] = draws.uniform() < rate ? 0.F : static_cast<float>(1 / (1 - rate));
  }
};

void check(const char* op, const Tensor& x, const Tensor& factors) {
  require_image(op, x);
  require_together(op, {x}, {factors});
  MD_CHECK(factors.shape() == Shape({x.dim(0)}), op, ": factors ", factors.shape(), " for ", x.shape());
}

}  // namespace

Tensor drop_factors(const std::vector<double>& rates, i64 samples, const DropKey& key, Device device) {
  for (const double rate : rates) MD_CHECK(rate >= 0 && rate < 1, "stochastic_depth: rate ", rate, " is not in [0,1)");
  const i64 maps = i64(rates.size());
  const Tensor factors = Tensor::empty({maps, samples}, device);
  for (i64 first = 0; first < maps; first += DrawFactors::kMost) {
    const i64 count = std::min(DrawFactors::kMost, maps - first);
    DrawFactors draw{{},
                     key.seed,
                     std::uint64_t(key.first + first),
                     key.step.view(),
                     key.first_sample,
                     samples,
                     factors.data() + first * samples};
    std::copy_n(rates.begin() + first, count, draw.rates);
    launch(device, 1, count, draw);
  }
  return factors;
}

Tensor stochastic_depth(const Tensor& x, const Tensor& factors) {
  check("stochastic_depth", x, factors);
  return record("stochastic_depth", scaled(x, factors), {x},
                [factors = Saved(factors)](const Tensor& dy, Needs) -> Grads { return {scaled(dy, *factors)}; });
}

Tensor add_stochastic_depth(const Tensor& shortcut, const Tensor& branch, const Tensor& factors) {
  check("add_stochastic_depth", branch, factors);
  require_same_shape("add_stochastic_depth", shortcut, branch);
  return record("add_stochastic_depth", sum_with_scaled(shortcut, branch, factors), {shortcut, branch},
                [factors = Saved(factors)](const Tensor& dy, Needs needs) -> Grads {
                  return {dy, needs[1] ? scaled(dy, *factors) : Tensor()};
                });
}

}  // namespace md
