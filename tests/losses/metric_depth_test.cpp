// MetricDepth with all its options, for any number of channels, sizes and sparsity, on every device, against the
// definition of lesson 13 (tests/lessons/13_metric_depth.h).
// Labels: devices
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "losses/metric_depth.h"
#include "tests/kit/testing.h"
#include "tests/lessons/13_metric_depth.h"

namespace md::test {
namespace {

using Shift = MetricDepthPairs::Shift;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Case {
  Tensor features, depth_m;
  std::vector<Shift> shifts;
  MetricDepthOptions options = {};
  Tensor loss(const Tensor& f) const { return metric_depth(f, depth_m, shifts, options); }
  Function function() const {
    return [this](const std::vector<Tensor>& x) { return loss(x[0]); };
  }
};

/// Depth 0-4 m, so that every kind of pair of the NYU ranges occurs; `measured` of the pixels have one.
Tensor random_depth(const Shape& shape, std::uint64_t seed, double measured, Device device) {
  std::vector<float> d = random_tensor(shape, seed, 0.01F, 4.F).to_host();
  const std::vector<float> u = random_tensor(shape, seed + 1, 0.F, 1.F).to_host();
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = double(u[i]) < measured ? d[i] : 0.F;
  return Tensor::from_host(d, shape, device);
}

/// Distances l of order 3, so that some negatives are inside their margin and some outside.
Case random_case(const Shape& s, double measured, std::uint64_t seed, Device device = {}) {
  Case c;
  const float reach = 4.F / std::sqrt(float(s[3]));
  c.features = random_tensor(s, seed, -reach, reach, device);
  c.depth_m = random_depth({s[0], s[1], s[2]}, seed + 1, measured, device);
  c.shifts = draw_shifts(c.options, seed, 0, s[0], s[1], s[2]).list;
  return c;
}

// A float sum of C squares and the root are good to a few 1e-7; gradients of one pixel add up to 28 such terms.
constexpr double kTolerance = 2e-6;

void expect_as_defined(const Case& c) {
  const Definition definition = lessons::metric_depth::of_pairs(Array(c.depth_m), c.shifts, c.options);
  const Arrays features = {Array(c.features)};
  const double want = definition.value(features)[0];
  const Tensor f = c.features.clone().requires_grad_();
  const Tensor loss = c.loss(f);
  EXPECT_NEAR(double(loss.item()), want, kTolerance * std::fabs(want));
  loss.backward();
  EXPECT_TRUE(close(f.grad(), definition.gradients(features, {{}, {1}}, {})[0].tensor(), kTolerance));
}

TEST(MetricDepth, EqualsTheEquationsForAnyChannelsSizeAndSparsity) {
  const Shape shapes[] = {{2, 9, 13, 32}, {3, 5, 33, 3},  {2, 6, 50, 5},  {2, 8, 17, 33}, {4, 2, 3, 16},
                          {1, 7, 5, 1},   {2, 2, 2, 128}, {3, 12, 16, 8}, {2, 3, 4, 132}, {2, 3, 4, 70}};
  for_each_device([&](Device device) {
    for (const Shape& shape : shapes) {
      for (const double measured : {1., 0.4, 0.05}) {
        SCOPED_TRACE(cat(shape, " measured ", measured));
        expect_as_defined(random_case(shape, measured, 11, device));
      }
    }
  });
}

TEST(MetricDepth, UniformStrategySumAndWeight) {
  for_each_device([](Device device) {
    Case c = random_case({2, 6, 9, 4}, 0.8, 12, device);
    c.options.ranges = {{0.5F, kInfinity, 4.F}};
    c.options.reduction = MetricDepthOptions::Reduction::sum;
    c.options.weight = 0.25F;
    expect_as_defined(c);
  });
}

TEST(MetricDepth, RelativeDifferencesAreThoseOfLogarithms) {
  for_each_device([](Device device) {
    Case c = random_case({2, 6, 9, 4}, 0.8, 31, device);
    c.options.difference = MetricDepthOptions::Difference::relative;
    c.options.positive_below_m = 0.1F;
    c.options.ranges = {{0.3F, 0.6F, 3.F}, {0.6F, kInfinity, 6.F}};
    expect_as_defined(c);
  });
}

TEST(MetricDepth, RelativeDifferencesStayWhereAllDepthsAreScaled) {
  Case c = random_case({2, 6, 9, 4}, 0.8, 32);
  c.options.difference = MetricDepthOptions::Difference::relative;
  const float before = c.loss(c.features).item();
  EXPECT_GT(before, 0.F);
  for (float* d = c.depth_m.data(); d != c.depth_m.data() + c.depth_m.numel(); ++d) *d *= 8.F;
  EXPECT_NEAR(c.loss(c.features).item(), before, 1e-5F * before);
}

TEST(MetricDepth, ProportionalMarginsGrowWithTheDepthDifference) {
  for_each_device([](Device device) {
    Case c = random_case({2, 6, 9, 4}, 0.8, 33, device);
    c.options.proportional_margins = true;
    expect_as_defined(c);
    c.options.ranges = {{0.F, 0.5F, 2.F}, {0.5F, kInfinity, 3.F}};
    expect_as_defined(c);
    c.options.ranges = {{0.F, kInfinity, 2.F}};
    c.options.difference = MetricDepthOptions::Difference::relative;
    expect_as_defined(c);
  });
}

TEST(MetricDepth, TheLastOfOverlappingRangesWins) {
  for_each_device([](Device device) {
    Case c = random_case({2, 6, 9, 4}, 1., 13, device);
    c.options.positive_below_m = 0.6F;
    c.options.ranges = {{0.5F, 2.F, 3.F}, {1.F, 3.F, 6.F}};
    expect_as_defined(c);
  });
}

TEST(MetricDepth, ManyShiftsAndShiftsBeyondTheMap) {
  for_each_device([](Device device) {
    Case c = random_case({2, 5, 7, 4}, 1., 14, device);
    c.shifts.clear();
    for (int n = 0; n < 200; ++n) c.shifts.push_back({n, 3 * n, 40 - n});  // more than a launch on a GPU takes
    expect_as_defined(c);
  });
}

/// A case for central differences: the mean, so that rounding of the loss (6e-8) over the step stays small, and a step
/// that takes no l across its margin.
Case small_case(const Shape& s, std::size_t shifts, std::uint64_t seed, Device device = {}) {
  Case c = random_case(s, 1., seed, device);
  c.shifts.resize(shifts);
  return c;
}
const GradcheckOptions kCheck{.step = 4e-3F};

TEST(MetricDepth, GradientIsThatOfTheFormula) {
  for_each_device([](Device device) {
    Case c = small_case({2, 3, 4, 3}, 3, 15, device);
    expect_gradcheck(c.function(), {c.features}, kCheck);
    c.options.proportional_margins = true;
    c.options.difference = MetricDepthOptions::Difference::relative;
    expect_gradcheck(c.function(), {c.features}, kCheck);
  });
}

TEST(MetricDepth, AtDistanceZeroTheGradientIsZero) {
  Case c = random_case({2, 5, 6, 4}, 1., 17);
  c.features = Tensor::full(c.features.shape(), 1.5F);
  expect_as_defined(c);
  for (const float g : gradients(c.function(), {c.features})[0].to_host()) EXPECT_EQ(g, 0.F);
}

TEST(MetricDepth, NoIdentifiedPairGivesZero) {
  for (const double measured : {0., 1.}) {
    Case c = random_case({2, 5, 6, 4}, measured, 18);
    c.options.positive_below_m = 0.F;
    if (measured > 0) c.options.ranges = {{100.F, 200.F, 1.F}};
    EXPECT_EQ(c.loss(c.features).item(), 0.F);
    for (const float g : gradients(c.function(), {c.features})[0].to_host()) EXPECT_EQ(g, 0.F);
  }
}

TEST(MetricDepth, FeaturesWithoutDepthAreNeverRead) {
  Case c = random_case({2, 5, 6, 4}, 0.5, 19);
  std::vector<float> f = c.features.to_host(), d = c.depth_m.to_host();
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (d[i] == 0.F) std::fill_n(f.begin() + std::ptrdiff_t(i * 4), 4, kNaN);
  }
  const float want = c.loss(c.features).item();
  EXPECT_EQ(c.loss(Tensor::from_host(f, c.features.shape())).item(), want);
}

TEST(MetricDepth, ANonFiniteFeatureShows) {
  Case c = random_case({2, 5, 6, 4}, 1., 20);
  c.features.data()[7] = kNaN;
  EXPECT_TRUE(std::isnan(c.loss(c.features).item()));
}

TEST(MetricDepth, ForwardAloneGivesTheSameLoss) {
  const Case c = random_case({2, 9, 20, 32}, 0.7, 21);
  EXPECT_EQ(c.loss(c.features.clone().requires_grad_()).item(), c.loss(c.features).item());
}

TEST(MetricDepth, TheSameBitsWithAnyNumberOfThreads) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not see how OpenMP's threads wait for each other";
#endif
  const Case c = random_case({2, 33, 47, 32}, 0.7, 22);
  const int before = omp_get_max_threads();
  std::vector<std::vector<float>> seen;
  for (const int threads : {1, 2, 5, 2}) {
    omp_set_num_threads(threads);
    const Tensor f = c.features.clone().requires_grad_();
    const Tensor loss = c.loss(f);
    loss.backward();
    seen.push_back(f.grad().to_host());
    seen.back().push_back(loss.item());
  }
  omp_set_num_threads(before);
  for (const auto& bits : seen) EXPECT_EQ(bits, seen[0]);
}

TEST(MetricDepth, RefusesDepthOfAnotherSize) {
  const Case c = random_case({1, 4, 5, 2}, 1., 23);
  EXPECT_THROW(metric_depth(c.features, Tensor::zeros({1, 5, 4}), c.shifts, {}), Error);
  EXPECT_THROW(metric_depth(Tensor::zeros({1, 4, 5, 0}), c.depth_m, c.shifts, {}), Error);
  EXPECT_THROW(metric_depth(Tensor::zeros({1, 4, 0, 2}), Tensor::zeros({1, 4, 0}), c.shifts, {}), Error);
}

TEST(DrawShifts, AreAFunctionOfSeedAndStep) {
  const auto rows = [](std::uint64_t seed, i64 step) {
    std::vector<int> out;
    for (const Shift& s : draw_shifts({}, seed, step, 4, 100, 200).list) {
      out.insert(out.end(), {s.image, s.row, s.column});
    }
    return out;
  };
  EXPECT_EQ(rows(1, 2), rows(1, 2));
  EXPECT_NE(rows(1, 2), rows(1, 3));
  EXPECT_NE(rows(1, 2), rows(2, 2));
}

TEST(DrawShifts, CoverTheirIntervalsAndNothingElse) {
  std::set<int> rows, columns, images;
  for (i64 step = 0; step < 100; ++step) {
    const auto shifts = draw_shifts({}, 7, step, 4, 6, 5).list;
    ASSERT_EQ(shifts.size(), 14U);
    for (std::size_t n = 0; n < shifts.size(); ++n) {
      if (n < 10) {
        EXPECT_EQ(shifts[n].image, 0);
        rows.insert(shifts[n].row);
        columns.insert(shifts[n].column);
      } else {
        EXPECT_EQ(shifts[n].row, 0);
        EXPECT_EQ(shifts[n].column, 0);
        images.insert(shifts[n].image);
      }
    }
  }
  EXPECT_EQ(rows, (std::set<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(columns, (std::set<int>{1, 2, 3, 4}));
  EXPECT_EQ(images, (std::set<int>{1, 2, 3}));
}

TEST(DrawShifts, ABatchOfOneHasNoSamplesAcross) {
  const MetricDepthShifts one = draw_shifts({}, 1, 0, 1, 6, 5), two = draw_shifts({}, 1, 0, 2, 6, 5);
  EXPECT_EQ(one.list.size(), 10U);
  EXPECT_TRUE(one.across_left_out);
  EXPECT_FALSE(two.across_left_out);
  EXPECT_THROW(draw_shifts({}, 1, 0, 1, 1, 5), Error);
}

TEST(ParseRanges, ReadsTheStringsOfAConfiguration) {
  const auto ranges = parse_ranges({"0.5-1", "1-1.5", "2-inf"}, {3, 6, 8});
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_EQ(ranges[1].low, 1.F);
  EXPECT_EQ(ranges[1].high, 1.5F);
  EXPECT_EQ(ranges[1].margin, 6.F);
  EXPECT_EQ(ranges[2].high, kInfinity);
}

TEST(ParseRanges, RefusesWithTheStringInTheMessage) {
  for (const char* bad : {"", "1", "1-", "-1-2", "2-1", "1-1", "1:2", "1-2m", "nan-2", "1-nan", " 1-2"}) {
    try {
      parse_ranges({bad}, {1});
      ADD_FAILURE() << '"' << bad << "\" was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(std::string(error.what()).find(cat('"', bad, '"')), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(parse_ranges({"1-2"}, {}), Error);
  EXPECT_THROW(parse_ranges({"1-2"}, {0}), Error);
  EXPECT_THROW(parse_ranges({"1-2"}, {double(kNaN)}), Error);
}

TEST(DepthToFeatureSize, NearestTakesTheFloor) {
  for_each_device([](Device device) {
    const i64 H = 7, W = 10, h = 3, w = 4;
    const Tensor depth = random_depth({2, H, W}, 30, 0.5, device);
    const std::vector<float> D = depth.to_host(),
                             got = depth_to_feature_size(depth, h, w, DepthCell::nearest).to_host();
    for (i64 k = 0; k < 2; ++k) {
      for (i64 y = 0; y < h; ++y) {
        for (i64 x = 0; x < w; ++x) {
          const auto from = std::size_t((k * H + y * H / h) * W + x * W / w);
          EXPECT_EQ(got[std::size_t((k * h + y) * w + x)], D[from]);
        }
      }
    }
  });
}

TEST(DepthToFeatureSize, FirstValidTakesTheFirstMeasuredPixelOfTheCell) {
  for_each_device([](Device device) {
    const std::vector<float> D = {0, 0, 5, 0,  //
                                  3, 4, 6, 0,  //
                                  0, 0, 0, 7,  //
                                  0, 0, 8, 0};
    const Tensor depth = Tensor::from_host(D, {1, 4, 4}, device);
    EXPECT_EQ(depth_to_feature_size(depth, 2, 2, DepthCell::first_valid).to_host(), (std::vector<float>{3, 5, 0, 7}));
    EXPECT_EQ(depth_to_feature_size(depth, 2, 2, DepthCell::nearest).to_host(), (std::vector<float>{0, 5, 0, 0}));
    EXPECT_EQ(depth_to_feature_size(depth, 4, 4, DepthCell::first_valid).to_host(), D);
  });
}

}  // namespace
}  // namespace md::test
