// Local planar guidance: each coarse pixel is a plane n . p = n4 with unit normal n, seen by the r x r pixels of its
// cell. The pixel at (u,v) looks along (u,v,1) and meets the plane at depth n4 / (n1 u + n2 v + n3).
// Labels: devices
#include <algorithm>
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

const double kPi = std::acos(-1.);

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

HostMap planes(const HostMap& x, double max_distance_m) {
  HostMap plane({x.dim(0), x.dim(1), x.dim(2), 4});
  for (i64 n = 0; n < x.dim(0); ++n)
    for (i64 h = 0; h < x.dim(1); ++h)
      for (i64 w = 0; w < x.dim(2); ++w) {
        const double theta = sigmoid_of(x(n, h, w, 0)) * kPi / 3, phi = sigmoid_of(x(n, h, w, 1)) * 2 * kPi;
        plane(n, h, w, 0) = std::sin(theta) * std::cos(phi);
        plane(n, h, w, 1) = std::sin(theta) * std::sin(phi);
        plane(n, h, w, 2) = std::cos(theta);
        plane(n, h, w, 3) = sigmoid_of(x(n, h, w, 2)) * max_distance_m;
      }
  return plane;
}

HostMap depths(const HostMap& plane, i64 r) {
  HostMap depth({plane.dim(0), plane.dim(1) * r, plane.dim(2) * r, 1});
  const auto centred = [r](i64 k) { return (double(k % r) - double(r - 1) / 2) / double(r); };
  for (i64 n = 0; n < depth.dim(0); ++n)
    for (i64 i = 0; i < depth.dim(1); ++i)
      for (i64 j = 0; j < depth.dim(2); ++j) {
        const auto p = [&](i64 k) { return plane(n, i / r, j / r, k); };
        depth(n, i, j, 0) = p(3) / (p(0) * centred(j) + p(1) * centred(i) + p(2));
      }
  return depth;
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
  for_each_device([&](Device device) {
    const Tensor plane = facing_planes(device);
    EXPECT_TRUE(close(local_planar_guidance(plane, r), depths(HostMap(plane), r).tensor(), 1e-6));
  });
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
    const Tensor x = random_tensor({2, 3, 4, 3}, 1, -6, 6, device);
    EXPECT_TRUE(close(plane_equation(x, 80.F), planes(HostMap(x), 80).tensor(), 1e-6));
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
