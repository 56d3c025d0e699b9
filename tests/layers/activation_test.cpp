// Pointwise nonlinearities at their corners, far out and in every shape, on every device, against the curves of lesson
// 2 (tests/lessons/02_pointwise.h).
// Labels: devices
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/02_pointwise.h"

namespace md::test {
namespace {

using lessons::pointwise::Curve;
using lessons::pointwise::normal_below;

class Activation : public ::testing::TestWithParam<Curve> {
 protected:
  const Curve f = GetParam();
  Tensor apply(const Tensor& x) const { return f.op(x); }
};

// A few roundings of numbers around 1 (sigmoid takes 1 - y), or of the result where that is larger.
void expect_near(float got, double want, float at) {
  EXPECT_NEAR(double(got), want, 3e-7 * std::max(1., std::fabs(want))) << "at x = " << at;
}

TEST_P(Activation, HasItsValueAndSlopeAtKinksAndFarOut) {
  for_each_device([&](Device device) {
    const std::vector<float> points = {0, -3, 3, 6, -20, 20, 1e-8F, -1e-8F, -2.9F, 2.9F, 5.9F, 6.1F, 0.5F, -0.5F};
    const Tensor x = Tensor::from_host(points, {static_cast<i64>(points.size())}, device);
    x.requires_grad_();
    const Tensor y = apply(x);
    y.backward(Tensor::full(x.shape(), 2.F, device));
    const std::vector<float> values = y.to_host(), slopes = x.grad().to_host();
    for (std::size_t i = 0; i < points.size(); ++i) {
      expect_near(values[i], f.value(double(points[i])), points[i]);
      expect_near(slopes[i], 2 * f.slope(double(points[i]), {}), points[i]);
    }
  });
}

TEST_P(Activation, TakesAnyShape) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{3, 700}, Shape{2, 5, 4, 1}, Shape{1, 3, 40, 33}}) {
    const Tensor x = random_tensor(shape, 1, -7, 7), y = apply(x);
    std::vector<float> want = x.to_host();
    for (float& v : want) v = static_cast<float>(f.value(double(v)));
    EXPECT_TRUE(close(y, Tensor::from_host(want, shape), 1e-6)) << shape;
  }
}

TEST_P(Activation, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    const Tensor x = random_tensor({2, 3, 5, 7}, 1, -7, 7, device);
    expect_gradcheck([&](const auto& in) { return apply(in[0]); }, {x}, {.kinks = f.corners});
  });
}

TEST_P(Activation, PassesNaNOn) {
  EXPECT_TRUE(std::isnan(apply(Tensor::full({1}, std::numeric_limits<float>::quiet_NaN())).item()));
}

INSTANTIATE_TEST_SUITE_P(, Activation, ::testing::ValuesIn(lessons::pointwise::curves()),
                         [](const auto& instance) { return std::string(instance.param.name); });

// The kernel's own approximation, over the range in which the curve is neither 0 nor x.
TEST(Gelu, IsAccurateToTwoRoundingsOverItsWholeRange) {
  std::vector<float> points;
  for (float at = -8; at < 8; at += 1e-3F) points.push_back(at);
  const Tensor x = Tensor::from_host(points, {i64(points.size())}).requires_grad_();
  const Tensor y = gelu(x);
  y.backward();
  const std::vector<float> values = y.to_host(), slopes = x.grad().to_host();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double at = double(points[i]), density = std::exp(-at * at / 2) / std::sqrt(2 * std::numbers::pi);
    ASSERT_NEAR(double(values[i]), at * normal_below(at), 1.2e-7 * std::max(1., std::fabs(at))) << at;
    ASSERT_NEAR(double(slopes[i]), normal_below(at) + at * density, 2.4e-7) << at;
  }
}

// Relative to the result: near 0 it is x, which e^x - 1 as two operations would lose.
TEST(Elu, IsAccurateToTwoRoundingsOfItsResult) {
  std::vector<float> points;
  for (float at = -100; at < -1e-30F; at *= 0.999F) points.push_back(at);
  const std::vector<float> values = elu(Tensor::from_host(points, {i64(points.size())})).to_host();
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double want = std::expm1(double(points[i]));
    ASSERT_NEAR(double(values[i]), want, 1.2e-7 * std::fabs(want)) << points[i];
  }
}

TEST(ActivationErrors, LeakyReluRefusesANegativeSlope) {
  EXPECT_ERROR(leaky_relu(Tensor::zeros({2}), -0.1F), "leaky_relu: slope -0.1");
}

}  // namespace
}  // namespace md::test
