// Stochastic depth: a sample survives whole or not at all, and the expectation stays what it was.
// Labels: devices
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

Rng draws(std::uint64_t seed = 1) { return Rng(seed, Purpose::drop_path); }

TEST(StochasticDepth, DropsWholeSamplesAtTheRateAndScalesTheOthers) {
  for_each_device([](Device device) {
    constexpr i64 kSamples = 2000;
    constexpr double kRate = 0.3;
    const Tensor x = random_tensor({kSamples, 1, 2, 3}, 1, 1, 2, device);
    const std::vector<float> from = x.to_host(), to = stochastic_depth(x, kRate, draws()).to_host();
    double dropped = 0;
    for (std::size_t n = 0; n < kSamples; ++n) {
      const bool gone = to[6 * n] == 0.F;
      dropped += gone;
      for (std::size_t i = 6 * n; i < 6 * (n + 1); ++i) EXPECT_EQ(to[i], gone ? 0.F : from[i] * float(1 / (1 - kRate)));
    }
    EXPECT_NEAR(dropped / kSamples, kRate, 4 * std::sqrt(kRate * (1 - kRate) / kSamples));  // four standard errors
  });
}

TEST(StochasticDepth, RateZeroChangesNothing) {
  const Tensor x = random_tensor({3, 2, 2, 4}, 1);
  EXPECT_TRUE(close(stochastic_depth(x, 0, draws()), x, 0));
}

TEST(StochasticDepth, TheDrawsDependOnTheRngAlone) {
  const Tensor x = random_tensor({40, 1, 1, 1}, 1, 1, 2);
  EXPECT_TRUE(close(stochastic_depth(x, 0.5, draws()), stochastic_depth(x, 0.5, draws()), 0));
  EXPECT_FALSE(close(stochastic_depth(x, 0.5, draws()), stochastic_depth(x, 0.5, draws(2)), 0.1));
}

TEST(StochasticDepth, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck([](const auto& in) { return stochastic_depth(in[0], 0.5, draws()); },
                     {random_tensor({8, 2, 1, 3}, 1, -1, 1, device)});
  });
}

Tensor with_shortcut(const std::vector<Tensor>& in) { return add_stochastic_depth(in[0], in[1], 0.5, draws()); }

TEST(AddStochasticDepth, EqualsTheTwoOpsThatItIs) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{8, 2, 1, 3}, Shape{300, 1, 2, 8}}) {
      const std::vector<Tensor> in{random_tensor(shape, 1, -1, 1, device), random_tensor(shape, 2, -1, 1, device)};
      const Tensor want = add(in[0], stochastic_depth(in[1], 0.5, draws()));
      EXPECT_TRUE(close(with_shortcut(in), want, device.kind == Device::cpu ? 0 : 1e-7)) << shape;
      expect_gradcheck(with_shortcut,
                       {random_tensor({8, 2, 1, 3}, 1, -1, 1, device), random_tensor({8, 2, 1, 3}, 2, -1, 1, device)});
    }
  });
}

LOST_TERMS(add_stochastic_depth) {
  const auto not_scaled = [](const std::vector<Tensor>&, const Tensor& dy) { return dy; };
  return {{"add_stochastic_depth",
           with_shortcut,
           {random_tensor({9, 1, 2, 3}, 1), random_tensor({9, 1, 2, 3}, 2)},
           {},
           {{"factor", 1, not_scaled}}}};
}

TEST(StochasticDepthErrors, RateMustLeaveSomething) {
  EXPECT_ERROR(stochastic_depth(Tensor::zeros({1, 1, 1, 1}), 1, draws()), "stochastic_depth: rate 1 is not in [0,1)");
  EXPECT_ERROR(add_stochastic_depth(Tensor::zeros({1, 1, 1, 2}), Tensor::zeros({1, 1, 1, 1}), 0.5, draws()),
               "add_stochastic_depth: shapes [1,1,1,2] and [1,1,1,1] differ");
}

}  // namespace
}  // namespace md::test
