// The bootstrap against its definition, written out, and against what theory says of the mean of many images.
#include "data/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "engine/rng.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

const MetricField& kAbsRel = metric_field("abs_rel");

/// Images whose measures are normal with mean 1 and standard deviation 0.1.
std::vector<Metrics> random_images(int n, std::uint64_t seed) {
  Rng rng(seed, Purpose::test);
  std::vector<Metrics> images(static_cast<std::size_t>(n));
  for (Metrics& image : images) {
    for (const MetricField& field : metric_fields) image.*field.value = 1 + 0.1 * rng.normal();
    image.pixels = double(rng.integer(1, 1000));
  }
  return images;
}

TEST(Bootstrap, EqualsItsDefinition) {
  const std::vector<Metrics> images = random_images(7, 1);
  constexpr int kReplicates = 41;  // 2.5 % and 97.5 % of 0..40 are ranks 1 and 39
  for (const Averaging averaging : {Averaging::per_image, Averaging::pooled}) {
    std::vector<double> means;
    for (std::uint64_t r = 0; r < kReplicates; ++r) {
      Rng rng(5, Purpose::bootstrap, 0, r);
      std::vector<Metrics> drawn;
      for (std::size_t i = 0; i < images.size(); ++i) drawn.push_back(images[std::size_t(rng.integer(0, 6))]);
      means.push_back(mean_metrics(drawn, averaging).abs_rel);
    }
    std::ranges::sort(means);
    const Interval got = bootstrap(images, averaging, {.seed = 5, .replicates = kReplicates}).of(kAbsRel);
    EXPECT_NEAR(got.low, means[1], 1e-14);  // sums in another order
    EXPECT_NEAR(got.high, means[39], 1e-14);
  }
}

TEST(Bootstrap, FindsTheSpreadOfAMean) {
  const std::vector<Metrics> images = random_images(400, 2);
  const Intervals intervals = bootstrap(images, Averaging::per_image, {.replicates = 4000});
  for (const MetricField& field : metric_fields) {
    double sum = 0, squares = 0;
    for (const Metrics& image : images) {
      sum += image.*field.value;
      squares += std::pow(image.*field.value, 2);
    }
    const double mean = sum / 400, deviation = std::sqrt((squares / 400 - mean * mean) / 400);
    // The normal distribution's 95 %; at 4000 replicates each end is uncertain by 4 % of the deviation (Gaussian tail).
    EXPECT_NEAR(intervals.of(field).low, mean - 1.96 * deviation, 0.16 * deviation);
    EXPECT_NEAR(intervals.of(field).high, mean + 1.96 * deviation, 0.16 * deviation);
  }
}

TEST(Bootstrap, IsRepeatable) {
  const std::vector<Metrics> images = random_images(20, 3);
  const auto low = [&](std::uint64_t seed) {
    return bootstrap(images, Averaging::per_image, {.seed = seed, .replicates = 200}).low.abs_rel;
  };
  EXPECT_EQ(low(1), low(1));
  EXPECT_NE(low(1), low(2));
}

TEST(Bootstrap, PairsShareTheirDraws) {
  const std::vector<Metrics> a = random_images(50, 4);
  std::vector<Metrics> b = a;
  for (Metrics& image : b) image.abs_rel -= 0.01;  // a hundredth better on every image, far less than images differ by
  const Intervals difference = bootstrap_difference(a, b, Averaging::per_image, {.replicates = 300});
  EXPECT_NEAR(difference.low.abs_rel, -0.01, 1e-12);
  EXPECT_NEAR(difference.high.abs_rel, -0.01, 1e-12);
  for (const MetricField& field : metric_fields) {
    if (&field != &kAbsRel) {
      EXPECT_EQ(difference.of(field).high, 0);
    }
  }
  EXPECT_THROW(bootstrap_difference(a, random_images(49, 4), Averaging::per_image), Error);
}

}  // namespace
}  // namespace md
