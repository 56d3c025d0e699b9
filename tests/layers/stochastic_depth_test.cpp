// Stochastic depth: a sample survives whole or not at all, and the expectation stays what it was.
// Labels: devices
#include <cmath>

#include "engine/rng.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

/// Of one map.
Tensor factors(double rate, i64 samples, const DropKey& key = {.seed = 1}, Device device = {}) {
  return drop_factors({rate}, samples, key, device).reshape({samples});
}

TEST(StochasticDepth, DropsWholeSamplesAtTheRateAndScalesTheOthers) {
  for_each_device([](Device device) {
    constexpr i64 kSamples = 2000;
    constexpr double kRate = 0.3;
    const Tensor x = random_tensor({kSamples, 1, 2, 3}, 1, 1, 2, device);
    const std::vector<float> from = x.to_host(),
                             to = stochastic_depth(x, factors(kRate, kSamples, {.seed = 1}, device)).to_host();
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
  EXPECT_TRUE(close(stochastic_depth(x, factors(0, 3)), x, 0));
}

/// Each map and step has a stream of its own, however many maps are drawn at once and wherever the step stands.
TEST(StochasticDepth, TheFactorsAreThoseOfTheirKey) {
  for_each_device([](Device device) {
    constexpr i64 kMaps = 300, kSamples = 5, kFirst = 4, kStep = (i64{1} << 33) + 7;
    const Tensor memory = StepNumber::make_memory(device);
    StepNumber::write(memory, kStep);
    const StepNumber part(memory, kStep, 3, 1);
    EXPECT_EQ(part.on_host(), 3 * kStep + 1);
    for (const StepNumber& step : {StepNumber(3 * kStep + 1), part}) {
      std::vector<double> rates;
      for (i64 map = 0; map < kMaps; ++map) rates.push_back(double(map) / kMaps);
      const std::vector<float> drawn = drop_factors(rates, kSamples, {9, kFirst, step}, device).to_host();
      for (i64 i = 0; i < kMaps * kSamples; ++i) {
        const i64 map = i / kSamples;
        Rng rng(9, Purpose::drop_path, std::uint64_t(kFirst + map), std::uint64_t(3 * kStep + 1));
        for (i64 before = 0; before < i % kSamples; ++before) rng.uniform();
        const double rate = rates[std::size_t(map)];
        EXPECT_EQ(drawn[std::size_t(i)], rng.uniform() < rate ? 0.F : float(1 / (1 - rate))) << map;
      }
    }
  });
}

TEST(StochasticDepth, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    const Tensor drawn = factors(0.5, 8, {.seed = 1}, device);
    expect_gradcheck([drawn](const auto& in) { return stochastic_depth(in[0], drawn); },
                     {random_tensor({8, 2, 1, 3}, 1, -1, 1, device)});
  });
}

TEST(AddStochasticDepth, EqualsTheTwoOpsThatItIs) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{8, 2, 1, 3}, Shape{300, 1, 2, 8}}) {
      const std::vector<Tensor> in{random_tensor(shape, 1, -1, 1, device), random_tensor(shape, 2, -1, 1, device)};
      const Tensor drawn = factors(0.5, shape[0], {.seed = 1}, device);
      const Tensor want = add(in[0], stochastic_depth(in[1], drawn));
      EXPECT_TRUE(close(add_stochastic_depth(in[0], in[1], drawn), want, device.kind == Device::cpu ? 0 : 1e-7))
          << shape;
    }
    const Tensor drawn = factors(0.5, 8, {.seed = 1}, device);
    expect_gradcheck([drawn](const auto& in) { return add_stochastic_depth(in[0], in[1], drawn); },
                     {random_tensor({8, 2, 1, 3}, 1, -1, 1, device), random_tensor({8, 2, 1, 3}, 2, -1, 1, device)});
  });
}

LOST_TERMS(add_stochastic_depth) {
  const auto not_scaled = [](const std::vector<Tensor>&, const Tensor& dy) { return dy; };
  return {{"add_stochastic_depth",
           [](const std::vector<Tensor>& in) { return add_stochastic_depth(in[0], in[1], factors(0.5, 9)); },
           {random_tensor({9, 1, 2, 3}, 1), random_tensor({9, 1, 2, 3}, 2)},
           {},
           {{"factor", 1, not_scaled}}}};
}

TEST(StochasticDepthErrors, RateMustLeaveSomethingAndFactorsFit) {
  EXPECT_ERROR(factors(1, 1), "stochastic_depth: rate 1 is not in [0,1)");
  EXPECT_ERROR(stochastic_depth(Tensor::zeros({2, 1, 1, 1}), factors(0, 3)), "factors [3] for [2,1,1,1]");
  EXPECT_ERROR(add_stochastic_depth(Tensor::zeros({1, 1, 1, 2}), Tensor::zeros({1, 1, 1, 1}), factors(0, 1)),
               "add_stochastic_depth: shapes [1,1,1,2] and [1,1,1,1] differ");
}

}  // namespace
}  // namespace md::test
