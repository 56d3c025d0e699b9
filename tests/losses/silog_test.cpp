// The scale-invariant loss on every device, against the definition of lesson 12 (tests/lessons/12_silog.h).
// Labels: devices
#include "losses/silog.h"

#include <cmath>
#include <limits>

#include "tests/kit/host_map.h"
#include "tests/lessons/12_silog.h"

namespace md::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Ground truth with holes (0) and pixels below the minimum.
Tensor sparse_target(const Shape& shape, std::uint64_t seed, Device device) {
  std::vector<float> t = random_tensor(shape, seed, -2.F, 8.F).to_host();
  for (float& v : t) v = std::fmax(v, 0.F);
  return Tensor::from_host(t, shape, device);
}

Tensor depths(const Shape& target, std::uint64_t seed, Device device) {
  return random_tensor({target[0], target[1], target[2], 1}, seed, 0.5F, 9.F, device);
}

const Shape kShapes[] = {{1, 1, 2}, {1, 5, 7}, {3, 9, 33}, {2, 120, 161}};

TEST(Silog, EqualsTheFormula) {
  for_each_device([](Device device) {
    for (const Shape& shape : kShapes) {
      for (const float min_depth_m : {0.F, 0.1F, 1.F}) {
        const SilogOptions options{.min_depth_m = min_depth_m};
        const Tensor target = sparse_target(shape, 3, device), depth = depths(shape, 4, device);
        const double want = lessons::silog::loss(Array(target), options).value({Array(depth)})[0];
        // Logarithms of floats are good to 1e-7 of d, and d and the loss are of order 1 to 10.
        EXPECT_NEAR(double(silog(depth, target, options).item()), want, 1e-5 * want) << shape << " " << min_depth_m;
      }
    }
  });
}

TEST(Silog, ABiasCostsLessThanAnEqualSpread) {
  const Tensor target = Tensor::full({1, 1, 2}, 2.F);
  const Tensor biased = Tensor::from_host(std::vector<float>{4.F, 4.F}, {1, 1, 2, 1});  // d = ln 2, ln 2
  const Tensor spread = Tensor::from_host(std::vector<float>{4.F, 1.F}, {1, 1, 2, 1});  // d = ln 2, -ln 2
  EXPECT_NEAR(silog(biased, target, {}).item(), 10 * std::log(2.) * std::sqrt(0.15), 1e-5);
  EXPECT_NEAR(silog(spread, target, {}).item(), 10 * std::log(2.), 1e-5);
}

TEST(Silog, GradientIsThatOfTheFormula) {
  for_each_device([&](Device device) {
    for (const Shape& shape : kShapes) {
      const Tensor target = sparse_target(shape, 5, device), depth = depths(shape, 6, device);
      const std::uint64_t seed = 7;
      const Array dy(random_upstream({}, seed));
      const Array want = lessons::silog::loss(Array(target), {}).gradients({Array(depth)}, dy, {})[0];
      const auto loss = [&](const std::vector<Tensor>& x) { return silog(x[0], target, {}); };
      EXPECT_TRUE(close(gradients(loss, {depth}, seed)[0], want.tensor(), 1e-5)) << shape;  // as the loss itself
    }
  });
}

void expect_zero(const Tensor& depth, const Tensor& target) {
  const auto loss = [&](const std::vector<Tensor>& x) { return silog(x[0], target, {}); };
  EXPECT_EQ(loss({depth}).item(), 0.F);
  for (const float g : gradients(loss, {depth})[0].to_host()) EXPECT_EQ(g, 0.F);
}

TEST(Silog, NothingMeasuredCostsNothing) {
  expect_zero(Tensor::full({1, 2, 3, 1}, 2.F), Tensor::zeros({1, 2, 3}));
  expect_zero(Tensor::full({1, 2, 3, 1}, 2.F), Tensor::full({1, 2, 3}, kNaN));
}

TEST(Silog, APerfectPredictionHasNoGradient) {
  expect_zero(Tensor::full({1, 2, 3, 1}, 2.F), Tensor::full({1, 2, 3}, 2.F));
}

TEST(Silog, UnusablePredictionsMakeTheLossNonFinite) {
  const Tensor target = Tensor::full({1, 1, 3}, 2.F);
  for (const float bad : {kNaN, std::numeric_limits<float>::infinity(), 0.F, -1.F}) {
    const Tensor depth = Tensor::from_host(std::vector<float>{2.F, bad, 3.F}, {1, 1, 3, 1});
    EXPECT_FALSE(std::isfinite(silog(depth, target, {}).item())) << bad;
  }
}

TEST(Silog, PixelsThatDoNotCountAreNotRead) {
  const Tensor target = Tensor::from_host(std::vector<float>{2.F, 0.F, 4.F}, {1, 1, 3});
  const Tensor depth = Tensor::from_host(std::vector<float>{3.F, kNaN, 3.F}, {1, 1, 3, 1});
  const auto loss = [&](const std::vector<Tensor>& x) { return silog(x[0], target, {}); };
  EXPECT_TRUE(std::isfinite(loss({depth}).item()));
  EXPECT_EQ(gradients(loss, {depth})[0].to_host()[1], 0.F);
}

TEST(Silog, RefusesShapesThatDiffer) {
  EXPECT_THROW(silog(Tensor::zeros({1, 2, 3, 1}), Tensor::zeros({1, 3, 2}), {}), Error);
  EXPECT_THROW(silog(Tensor::zeros({1, 2, 0, 1}), Tensor::zeros({1, 2, 0}), {}), Error);
  EXPECT_THROW(silog(Tensor::zeros({1, 2, 3, 2}), Tensor::zeros({1, 2, 3}), {}), Error);
}

TEST(Silog, RefusesWhatWasWrittenSinceItWasSaved) {
  const Tensor target = Tensor::full({1, 3, 4}, 1.5F), depth = depths({1, 3, 4}, 7, {}).requires_grad_();
  for (const Tensor& changed : {depth, target}) {
    const Tensor loss = silog(depth, target, {});
    changed.copy_from(changed.clone());
    const std::string error = error_of([&] { loss.backward(); });
    EXPECT_TRUE(error.starts_with("silog")) << error;
    EXPECT_NE(error.find("modified by an inplace operation"), std::string::npos) << error;
  }
}

/// Can only crash: dropped without a backward, a long chain's destructors must not overflow the stack.
TEST(Silog, FreesLongChains) {
  const Tensor target = Tensor::full({1, 1, 1}, 1.F);
  Tensor loss = Tensor::full({1, 1, 1, 1}, 2.F).requires_grad_();
  for (int i = 0; i < 30000; ++i) loss = silog(loss, target, {}).reshape({1, 1, 1, 1});
  EXPECT_TRUE(loss.requires_grad());
}

}  // namespace
}  // namespace md::test
