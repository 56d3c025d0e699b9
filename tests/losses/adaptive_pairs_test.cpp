// Thresholds and margins from running distributions: no unit in them, and a run that goes on has the same ones.
// Labels: devices
#include "losses/adaptive_pairs.h"

#include <algorithm>
#include <cmath>

#include "engine/metric_depth_formula.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

struct Step {
  Tensor features, depth_m;
  std::vector<MetricDepthPairs::Shift> shifts;
};

/// Features that are far apart where depths are, with noise; 0.5 to 4 m, a fifth not measured.
Step random_step(std::uint64_t seed, float scale = 1.F, Device device = {}) {
  const Shape shape{2, 24, 32, 6};
  std::vector<float> f = random_tensor(shape, seed, -1.F, 1.F).to_host();
  std::vector<float> d = random_tensor({2, 24, 32}, seed + 1, -0.3F, 4.F).to_host();
  for (std::size_t i = 0; i < d.size(); ++i) {
    d[i] = d[i] < 0.5F ? 0.F : d[i];
    f[6 * i] += d[i];
    d[i] *= scale;
  }
  return {Tensor::from_host(f, shape, device), Tensor::from_host(d, {2, 24, 32}, device),
          draw_shifts({}, seed, 0, 2, 24, 32).list};
}

void update(AdaptivePairs& pairs, const Step& step) { pairs.update(step.features, step.depth_m, step.shifts); }

/// What each pair of all pixels is, for every shift.
std::vector<float> kinds(const Step& step, const MetricDepthOptions& options) {
  const std::vector<float> depth = depth_to_compare(step.depth_m, options.difference).to_host();
  std::vector<float> all;
  for (const auto& shift : step.shifts) {
    const PairNeighbour to = neighbour_of(shift, true, 2, 24, 32);
    for (int p = 0; p < 2 * 24 * 32; ++p) {
      const int x = wrapped(p % 32 + to.column, 32), y = wrapped(p / 32 % 24 + to.row, 24),
                k = wrapped(p / (32 * 24) + to.image, 2);
      all.push_back(kind_of_pair(measured_or_nan(depth[std::size_t(p)]),
                                 measured_or_nan(depth[std::size_t((k * 24 + y) * 32 + x)]), options.positive_below_m,
                                 options.ranges.data(), int(options.ranges.size())));
    }
  }
  return all;
}

TEST(AdaptivePairs, DepthsTimesEightGiveTheSamePairs) {
  for_each_device([](Device device) {
    for (const bool proportional : {false, true}) {
      const MetricDepthOptions how{.proportional_margins = proportional};
      AdaptivePairs metres(how), eighths(how);
      for (std::uint64_t n = 0; n < 70; ++n) {
        update(metres, random_step(10 * n, 1.F, device));
        update(eighths, random_step(10 * n, 8.F, device));
      }
      const MetricDepthOptions a = metres.options(), b = eighths.options();
      ASSERT_EQ(a.ranges.size(), 3U);
      EXPECT_EQ(b.positive_below_m, 8 * a.positive_below_m);
      for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(b.ranges[j].margin, a.ranges[j].margin);
      const std::vector<float> of_metres = kinds(random_step(7), a);
      EXPECT_EQ(of_metres, kinds(random_step(7, 8.F), b));
      EXPECT_GT(std::ranges::count(of_metres, kPositivePair), 1000);
      for (const auto& range : a.ranges) EXPECT_GT(std::ranges::count(of_metres, range.margin), 1000);
    }
  });
}

TEST(AdaptivePairs, RelativeOnesDoSoUpToRoundingOfLogarithms) {
  const MetricDepthOptions how{.difference = MetricDepthOptions::Difference::relative};
  AdaptivePairs metres(how), eighths(how);
  update(metres, random_step(1));
  update(eighths, random_step(1, 8.F));
  EXPECT_NEAR(eighths.options().positive_below_m, metres.options().positive_below_m, 4e-6F);  // of numbers up to 18
  EXPECT_NEAR(eighths.options().ranges[1].low, metres.options().ranges[1].low, 4e-6F);
}

TEST(AdaptivePairs, ThresholdsAreLevelsOfTheDepthDifferences) {
  AdaptivePairs pairs({});
  for (std::uint64_t n = 0; n < 20; ++n) update(pairs, random_step(10 * n));
  const std::vector<float> found = kinds(random_step(999), pairs.options());
  const Step step = random_step(999);
  const double measured = double(std::ranges::count_if(kinds(step, {.positive_below_m = 1e9F, .ranges = {}}),
                                                       [](float kind) { return kind == kPositivePair; }));
  const auto part = [&](float kind) { return double(std::ranges::count(found, kind)) / measured; };
  const std::vector<MetricDepthPairs::Range> ranges = pairs.options().ranges;
  EXPECT_NEAR(part(kPositivePair), 0.15, 0.02);
  EXPECT_NEAR(part(ranges[0].margin), 0.2, 0.02);
  EXPECT_NEAR(part(ranges[1].margin), 0.2, 0.02);
  EXPECT_NEAR(part(ranges[2].margin), 0.1, 0.02);
}

/// The loss's slope along the features themselves, as a part of what the positives alone add to it.
double radial_slope(const Step& step, MetricDepthOptions options) {
  options.reduction = MetricDepthOptions::Reduction::sum;
  const auto slope = [&](const MetricDepthOptions& of) {
    const Tensor f = step.features.clone().requires_grad_();
    metric_depth(f, step.depth_m, step.shifts, of).backward();
    const std::vector<float> values = f.to_host(), gradient = f.grad().to_host();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += double(values[i]) * double(gradient[i]);
    return sum;
  };
  MetricDepthOptions positives = options;
  positives.ranges.clear();
  return slope(options) / slope(positives);
}

TEST(AdaptivePairs, ScalingAllFeaturesChangesTheLossByNothing) {
  for (const bool proportional : {false, true}) {
    AdaptivePairs pairs({.proportional_margins = proportional});
    for (std::uint64_t n = 0; n < 20; ++n) update(pairs, random_step(10 * n));
    MetricDepthOptions given;
    EXPECT_GT(std::abs(radial_slope(random_step(999), given)), 0.5) << "margins that know nothing of the features";
    EXPECT_LT(std::abs(radial_slope(random_step(999), pairs.options())), 0.15) << proportional;
  }
}

TEST(AdaptivePairs, MarginsFollowTheFeaturesAndGrowWithTheRange) {
  AdaptivePairs pairs({});
  update(pairs, random_step(1));
  const auto before = pairs.options().ranges;
  EXPECT_LE(before[0].margin, before[1].margin);
  EXPECT_LE(before[1].margin, before[2].margin);
  Step wider = random_step(1);
  for (float* f = wider.features.data(); f != wider.features.data() + wider.features.numel(); ++f) *f *= 2.F;
  for (int n = 0; n < 500; ++n) update(pairs, wider);
  for (std::size_t j = 0; j < 3; ++j)
    EXPECT_NEAR(pairs.options().ranges[j].margin, 2 * before[j].margin, 1e-3F * before[j].margin) << j;
}

TEST(AdaptivePairs, BeforeTheFirstStepNoPairIsAnything) {
  const AdaptivePairs pairs({});
  const Step step = random_step(1);
  EXPECT_EQ(metric_depth(step.features, step.depth_m, step.shifts, pairs.options()).item(), 0.F);
}

TEST(AdaptivePairs, WhatCannotBeMeasuredChangesNothing) {
  AdaptivePairs pairs({});
  update(pairs, random_step(1));
  const std::vector<double> before = pairs.state();
  Step step = random_step(2);
  step.features = Tensor::full(step.features.shape(), std::nanf(""));
  update(pairs, step);
  EXPECT_EQ(pairs.state(), before);
  step = random_step(2);
  step.depth_m = Tensor::zeros(step.depth_m.shape());
  update(pairs, step);
  EXPECT_EQ(pairs.state(), before);
}

TEST(AdaptivePairs, GoOnFromTheirState) {
  AdaptivePairs whole({}), parts({});
  for (std::uint64_t n = 0; n < 4; ++n) update(whole, random_step(n));
  update(parts, random_step(0));
  update(parts, random_step(1));
  AdaptivePairs resumed({});
  resumed.set_state(parts.state());
  update(resumed, random_step(2));
  update(resumed, random_step(3));
  EXPECT_EQ(resumed.state(), whole.state());
  EXPECT_NE(parts.state(), whole.state());
}

TEST(AdaptivePairs, RefuseAStateThatIsNone) {
  AdaptivePairs pairs({});
  for (const std::vector<double>& bad : {std::vector<double>{}, std::vector<double>(7), std::vector<double>(8, -1.),
                                         std::vector<double>(8, std::nan(""))}) {
    EXPECT_THROW(pairs.set_state(bad), Error);
  }
}

}  // namespace
}  // namespace md::test
