// Local planar guidance for cells of every size, on every device, against the definition of lesson 12
// (tests/lessons/12_silog.h), and what its angles can do.
// Labels: devices
#include <algorithm>
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/12_silog.h"

namespace md::test {
namespace {

const double kPi = std::acos(-1.);

/// The kernel and its gradient against the definition.
void expect_as_defined(const Definition& op, const Tensor& x) {
  const Function kernel = op.kernel;
  const std::uint64_t seed = 4;
  const Tensor y = kernel({x});
  constexpr double kTolerance = 1e-6;  // sines and quotients of floats
  EXPECT_TRUE(close(y, op.value({Array(x)}).tensor(), kTolerance));
  const Array dy(random_upstream(y.shape(), seed));
  EXPECT_TRUE(close(gradients(kernel, {x}, seed)[0], op.gradients({Array(x)}, dy, {})[0].tensor(), kTolerance));
}

class LocalPlanarGuidance : public ::testing::TestWithParam<int> {
 protected:
  const int r = GetParam();
  // Normals well away from edge-on, and not of unit length: the op does not ask for it.
  static Tensor facing_planes(Device device) {
    return concat(
        {random_tensor({2, 2, 3, 2}, 1, -0.5F, 0.5F, device), random_tensor({2, 2, 3, 2}, 2, 0.8F, 1.5F, device)});
  }
};

TEST_P(LocalPlanarGuidance, EqualsItsDefinition) {
  for_each_device([&](Device device) { expect_as_defined(lessons::silog::depths(r), facing_planes(device)); });
}

TEST_P(LocalPlanarGuidance, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    expect_gradcheck([&](const auto& in) { return local_planar_guidance(in[0], r); }, {facing_planes(device)});
  });
}

// What the paper's planes can do: theta up to pi/3, phi any. The least denominator is where the plane leans most, along
// the diagonal, at the corner of the cell: negative for r = 8, so that depth there is negative or unbounded.
TEST_P(LocalPlanarGuidance, ReachesTheDenominatorThatTheAnglesAllow) {
  const Tensor leaning =
      plane_equation(Tensor::from_host(std::vector<float>{50, std::log(5 / 3.F), 0}, {1, 1, 1, 3}), 10.F);  // 5/8
  const std::vector<float> depth_m = local_planar_guidance(leaning, r).to_host();
  double least = 1e9;
  for (const float d : depth_m) least = std::min(least, 5 / double(d));  // D = n4 / depth, n4 = 5
  const double want = std::cos(kPi / 3) - std::sin(kPi / 3) * std::sqrt(2.) * double(r - 1) / (2. * r);
  EXPECT_NEAR(least, want, 1e-6);
  const double official = r == 8 ? -0.036 : r == 4 ? 0.04 : 0.19;
  if (r > 1) {
    EXPECT_NEAR(least, official, 0.005);
  }
}

INSTANTIATE_TEST_SUITE_P(, LocalPlanarGuidance, ::testing::Values(1, 2, 4, 8),
                         [](const auto& instance) { return "r" + std::to_string(instance.param); });

// A plane that faces the camera has one depth; one that leans along u changes along columns, not along rows.
TEST(LocalPlanarGuidanceAxes, UIsAlongColumnsAndVAlongRows) {
  const auto cell = [](float n1, float n2) {
    return HostMap(local_planar_guidance(Tensor::from_host(std::vector<float>{n1, n2, 1, 5}, {1, 1, 1, 4}), 4));
  };
  for (i64 k = 0; k < 16; ++k) EXPECT_EQ(cell(0, 0)(0, k / 4, k % 4, 0), 5);
  EXPECT_EQ(cell(0.4F, 0)(0, 0, 3, 0), cell(0.4F, 0)(0, 3, 3, 0));
  EXPECT_LT(cell(0.4F, 0)(0, 0, 3, 0), cell(0.4F, 0)(0, 0, 0, 0));
  EXPECT_EQ(cell(0, 0.4F)(0, 3, 0, 0), cell(0, 0.4F)(0, 3, 3, 0));
  EXPECT_LT(cell(0, 0.4F)(0, 3, 0, 0), cell(0, 0.4F)(0, 0, 0, 0));
}

TEST(PlaneEquation, EqualsItsDefinition) {
  for_each_device([](Device device) {
    expect_as_defined(lessons::silog::planes(80), random_tensor({2, 3, 4, 3}, 1, -6, 6, device));
  });
}

TEST(PlaneEquation, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck([](const auto& in) { return plane_equation(in[0], 2.F); },
                     {random_tensor({2, 3, 4, 3}, 1, -3, 3, device)});
  });
}

TEST(PlaneEquation, HasUnitNormals) {
  const Tensor plane = plane_equation(random_tensor({1, 5, 6, 3}, 1, -9, 9), 10.F);
  const Tensor normal = slice_channels(plane, 0, 3);
  EXPECT_TRUE(close(l2_normalize(normal), normal, 1e-6));
}

TEST(LocalPlanarGuidanceErrors, NameTheShapes) {
  EXPECT_ERROR(plane_equation(Tensor::zeros({1, 2, 2, 4}), 10.F), "plane_equation: input [1,2,2,4] wants 3 channels");
  EXPECT_ERROR(local_planar_guidance(Tensor::zeros({1, 2, 2, 3}), 8),
               "local_planar_guidance: input [1,2,2,3] wants 4 channels");
  EXPECT_ERROR(local_planar_guidance(Tensor::zeros({1, 2, 2, 4}), 0), "r = 0");
}

}  // namespace
}  // namespace md::test
