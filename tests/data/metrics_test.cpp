// The measures against their definition, written out one loop each in double.
#include "data/metrics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kit/testing.h"

namespace md {
namespace {

struct Maps {
  Tensor pred_m, gt_m, scored;
};

Maps random_maps(i64 height, i64 width, std::uint64_t seed) {
  const Shape shape{height, width};
  const Maps maps{test::random_tensor(shape, seed, 0.3F, 9.F), test::random_tensor(shape, seed + 1, 0.3F, 9.F),
                  Tensor::zeros(shape, {}, DType::u8)};
  const Tensor chance = test::random_tensor(shape, seed + 2);
  for (i64 i = 0; i < height * width; ++i) maps.scored.data<std::uint8_t>()[i] = chance.data()[i] > 0;
  return maps;
}

/// mean over the scored pixels of f(p, g).
template <class F>
double mean_of(const Maps& maps, F f) {
  double sum = 0, pixels = 0;
  for (i64 i = 0; i < maps.gt_m.numel(); ++i) {
    if (!maps.scored.data<std::uint8_t>()[i]) continue;
    sum += f(double(maps.pred_m.data()[i]), double(maps.gt_m.data()[i]));
    ++pixels;
  }
  return sum / pixels;
}

Metrics by_definition(const Maps& maps) {
  const auto below = [&](double bound) {
    return mean_of(maps, [=](double p, double g) { return std::max(p / g, g / p) < bound ? 1.0 : 0.0; });
  };
  const double mean_e = mean_of(maps, [](double p, double g) { return std::log(p / g); });
  Metrics m;
  m.abs_rel = mean_of(maps, [](double p, double g) { return std::abs(p - g) / g; });
  m.sq_rel = mean_of(maps, [](double p, double g) { return (p - g) * (p - g) / g; });
  m.rmse = std::sqrt(mean_of(maps, [](double p, double g) { return (p - g) * (p - g); }));
  m.rmse_log = std::sqrt(mean_of(maps, [](double p, double g) { return std::pow(std::log(p / g), 2); }));
  m.log10 = mean_of(maps, [](double p, double g) { return std::abs(std::log10(p / g)); });
  m.silog = 100 * std::sqrt(mean_of(maps, [=](double p, double g) { return std::pow(std::log(p / g) - mean_e, 2); }));
  m.d1 = below(1.25);
  m.d2 = below(std::pow(1.25, 2));
  m.d3 = below(std::pow(1.25, 3));
  m.sq_err_rel = mean_of(maps, [](double p, double g) { return std::pow((p - g) / g, 2); });
  m.irmse = 1000 * std::sqrt(mean_of(maps, [](double p, double g) { return std::pow(1 / p - 1 / g, 2); }));
  m.log_bias = mean_e;
  return m;
}

void expect_equal(const Metrics& got, const Metrics& want, double tolerance) {
  for (const MetricField& field : metric_fields) {
    EXPECT_NEAR(got.*field.value, want.*field.value, tolerance * (1 + want.*field.value)) << field.key;
  }
}

TEST(Metrics, EqualTheirDefinition) {
  for (const auto& [height, width] : {std::pair<i64, i64>{1, 3}, {17, 5}, {48, 64}}) {
    const Maps maps = random_maps(height, width, std::uint64_t(height));
    // Double against double: only the order of rounding differs.
    expect_equal(*image_metrics(maps.pred_m, maps.gt_m, maps.scored, Arithmetic::f64), by_definition(maps), 1e-12);
    // float per pixel: 2^-24 relative per operation, averaged.
    expect_equal(*image_metrics(maps.pred_m, maps.gt_m, maps.scored, Arithmetic::f32), by_definition(maps), 1e-6);
  }
}

TEST(Metrics, PerfectPredictionHasNoError) {
  const Maps maps = random_maps(8, 9, 3);
  const Metrics got = *image_metrics(maps.gt_m, maps.gt_m, maps.scored);
  expect_equal(got, {.d1 = 1, .d2 = 1, .d3 = 1}, 0);
}

TEST(Metrics, ConstantScaleIsNoScaleInvariantError) {
  const Maps maps = random_maps(8, 9, 3);
  const Tensor twice = maps.gt_m.clone();
  for (i64 i = 0; i < twice.numel(); ++i) twice.data()[i] *= 2;
  const Metrics got = *image_metrics(twice, maps.gt_m, maps.scored, Arithmetic::f64);
  // The variance is a difference of two numbers of size 0.5: sqrt(1e-16) * 100 is what may be left. Never NaN.
  EXPECT_NEAR(got.silog, 0, 1e-5);
  EXPECT_NEAR(got.rmse_log, std::log(2.0), 1e-12);
  EXPECT_NEAR(got.abs_rel, 1, 1e-12);
}

TEST(Metrics, ThresholdsAreStrict) {
  const Tensor scored = Tensor::full({1, 2}, 1.F, {}, DType::u8);
  // Exact in both types: 1.25 is not below 1.25, 1.25^2 not below 1.25^2.
  const Tensor pred = Tensor::from_host(std::vector<float>{1.25F, 1.F}, {1, 2});
  const Tensor gt = Tensor::from_host(std::vector<float>{1.F, 1.25F * 1.25F}, {1, 2});
  for (const Arithmetic arithmetic : {Arithmetic::f32, Arithmetic::f64}) {
    const Metrics got = *image_metrics(pred, gt, scored, arithmetic);
    EXPECT_EQ(got.d1, 0);
    EXPECT_EQ(got.d2, 0.5);
    EXPECT_EQ(got.d3, 1);
  }
}

TEST(Metrics, FloatRatioDecidesTies) {
  // Millimetre data: a ratio just below 1.25 in double is 1.25 in float, and so not below it.
  const Tensor scored = Tensor::full({1, 1}, 1.F, {}, DType::u8);
  int ties = 0;
  for (int k = 1; k < 2000; ++k) {
    const float p = float(5 * k) / 1000, g = float(4 * k) / 1000;
    const Tensor pred = Tensor::full({1, 1}, p), gt = Tensor::full({1, 1}, g);
    const double in_float = image_metrics(pred, gt, scored, Arithmetic::f32)->d1;
    const double in_double = image_metrics(pred, gt, scored, Arithmetic::f64)->d1;
    EXPECT_EQ(in_float, p / g < 1.25F ? 1 : 0);
    EXPECT_EQ(in_double, double(p) / double(g) < 1.25 ? 1 : 0);
    ties += in_float != in_double;
  }
  EXPECT_GT(ties, 0);
}

TEST(Metrics, NoScoredPixelGivesNothing) {
  Maps maps = random_maps(4, 4, 1);
  maps.scored = Tensor::zeros({4, 4}, {}, DType::u8);
  EXPECT_FALSE(image_metrics(maps.pred_m, maps.gt_m, maps.scored));
}

TEST(Metrics, PixelsOutsideTheMaskDoNotMatter) {
  const Maps maps = random_maps(6, 7, 5);
  const Metrics before = *image_metrics(maps.pred_m, maps.gt_m, maps.scored);
  for (i64 i = 0; i < maps.gt_m.numel(); ++i) {
    if (!maps.scored.data<std::uint8_t>()[i]) maps.pred_m.data()[i] = std::nanf("");
  }
  expect_equal(*image_metrics(maps.pred_m, maps.gt_m, maps.scored), before, 0);
}

/// Two images and the image that is both of them.
struct Pair {
  Maps a = random_maps(5, 12, 11), b = random_maps(17, 12, 12),
       both{Tensor::empty({22, 12}), Tensor::empty({22, 12}), Tensor::empty({22, 12}, {}, DType::u8)};
  Pair() {
    for (i64 i = 0; i < 22 * 12; ++i) {
      const Maps& from = i < 60 ? a : b;
      const i64 j = i < 60 ? i : i - 60;
      both.pred_m.data()[i] = from.pred_m.data()[j];
      both.gt_m.data()[i] = from.gt_m.data()[j];
      both.scored.data<std::uint8_t>()[i] = from.scored.data<std::uint8_t>()[j];
    }
  }
  static Metrics of(const Maps& maps) { return *image_metrics(maps.pred_m, maps.gt_m, maps.scored, Arithmetic::f64); }
};

TEST(Metrics, PooledMeansAreThoseOfOneImageWithAllThePixels) {
  const Pair pair;
  const std::vector<Metrics> images{Pair::of(pair.a), Pair::of(pair.b)};
  const Metrics pooled = mean_metrics(images, Averaging::pooled), want = Pair::of(pair.both);
  expect_equal(pooled, want, 1e-12);  // double, in another order
  EXPECT_EQ(pooled.pixels, want.pixels);
  EXPECT_GT(std::abs(mean_metrics(images).rmse - want.rmse), 1e-4) << "per image is another number";
}

TEST(Metrics, CountsRepeatImages) {
  const Pair pair;
  const Metrics a = Pair::of(pair.a), b = Pair::of(pair.b);
  for (const Averaging averaging : {Averaging::per_image, Averaging::pooled}) {
    const std::vector<Metrics> counted{a, b}, written_out{b, b, b};
    expect_equal(mean_metrics(counted, averaging, std::vector<std::uint32_t>{0, 3}),
                 mean_metrics(written_out, averaging), 1e-14);
  }
}

TEST(Metrics, MeanWeighsImagesEqually) {
  const std::vector<Metrics> images{{.abs_rel = 0.1, .d1 = 1}, {.abs_rel = 0.4, .d1 = 0.5}};
  expect_equal(mean_metrics(images), {.abs_rel = 0.25, .d1 = 0.75}, 1e-15);
  EXPECT_THROW(mean_metrics({}), Error);
}

TEST(Metrics, ShapesMustAgree) {
  const Maps maps = random_maps(4, 4, 1), other = random_maps(4, 5, 1);
  EXPECT_THROW(image_metrics(maps.pred_m, other.gt_m, maps.scored), Error);
  EXPECT_THROW(image_metrics(maps.pred_m, maps.gt_m, other.scored), Error);
}

}  // namespace
}  // namespace md
