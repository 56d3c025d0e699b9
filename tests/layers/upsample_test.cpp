// Interpolation to every kind of size, on every device, against the list of readings that lesson 8 defines
// (tests/lessons/08_interpolation.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/08_interpolation.h"

namespace md::test {
namespace {

using namespace lessons::interpolation;

struct Sizes {
  const char* name;
  Shape from;
  i64 h, w;
};
std::ostream& operator<<(std::ostream& out, const Sizes& it) { return out << it.name; }

class Upsample : public ::testing::TestWithParam<Sizes> {
 protected:
  const Sizes s = GetParam();
  Tensor input(Device device = {}) const { return random_tensor(s.from, 1, -1, 1, device); }

  /// The kernel and its gradient against the definition.
  static void expect_as_defined(const Definition& op, const Tensor& x, double tolerance) {
    const Function kernel = op.kernel;
    const std::uint64_t seed = 4;
    const Tensor y = kernel({x});
    EXPECT_TRUE(close(y, op.value({Array(x)}).tensor(), tolerance));
    const Array dy(random_upstream(y.shape(), seed));
    EXPECT_TRUE(close(gradients(kernel, {x}, seed)[0], op.gradients({Array(x)}, dy, {})[0].tensor(), tolerance));
  }
};

// Positions are computed in float, as PyTorch does, so a weight near position 20 is off by 1e-6.
constexpr double kTolerance = 2e-6;

TEST_P(Upsample, BilinearEqualsItsDefinition) {
  for_each_device([&](Device device) {
    for (const Corners corners : {Corners::half_pixel, Corners::align})
      expect_as_defined(bilinear(s.h, s.w, corners), input(device), kTolerance);
  });
}

TEST_P(Upsample, NearestEqualsItsDefinition) {
  for_each_device([&](Device device) {
    const Tensor x = input(device);
    expect_as_defined(nearest(s.h, s.w), x, kTolerance);
    EXPECT_TRUE(close(upsample_nearest(x, s.h, s.w), nearest(s.h, s.w).value({Array(x)}).tensor(), 0));  // only copies
  });
}

TEST_P(Upsample, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    for (const Corners corners : {Corners::half_pixel, Corners::align}) {
      expect_gradcheck([&](const auto& in) { return upsample_bilinear(in[0], s.h, s.w, corners); }, {input(device)});
    }
    expect_gradcheck([&](const auto& in) { return upsample_nearest(in[0], s.h, s.w); }, {input(device)});
  });
}

INSTANTIATE_TEST_SUITE_P(
    , Upsample,
    ::testing::Values(Sizes{"twice", {2, 3, 4, 5}, 6, 8}, Sizes{"four_times", {1, 2, 3, 1}, 8, 12},
                      Sizes{"odd_ratio", {2, 5, 7, 3}, 9, 13}, Sizes{"smaller", {1, 9, 7, 2}, 3, 5},
                      Sizes{"taller_and_narrower", {1, 3, 8, 4}, 7, 3}, Sizes{"same_size", {1, 4, 3, 2}, 4, 3},
                      Sizes{"from_1x1", {2, 1, 1, 3}, 4, 5}, Sizes{"to_1x1", {2, 4, 5, 3}, 1, 1},
                      Sizes{"many_channels", {1, 2, 3, 131}, 4, 6}, Sizes{"of_fours", {2, 3, 4, 8}, 5, 7}),
    [](const auto& instance) { return std::string(instance.param.name); });

Tensor beside(const std::vector<Tensor>& in) { return upsample_concat(in[0], in[1]); }
Tensor one_after_the_other(const std::vector<Tensor>& in) {
  return concat({upsample_bilinear(in[0], in[1].dim(1), in[1].dim(2)), in[1]});
}

TEST_P(Upsample, ConcatEqualsTheTwoOps) {
  for_each_device([&](Device device) {
    for (const i64 channels : {1, 3, 40}) {
      const std::vector<Tensor> in = {input(device), random_tensor({s.from[0], s.h, s.w, channels}, 2, -1, 1, device)};
      EXPECT_TRUE(close(beside(in), one_after_the_other(in), 0));
      const std::vector<Tensor> got = gradients(beside, in), want = gradients(one_after_the_other, in);
      EXPECT_TRUE(close(got[0], want[0], 0));
      EXPECT_TRUE(close(got[1], want[1], 0));
    }
  });
}

TEST(UpsampleConcat, LeavesOutPartsThatNeedNoGradient) {
  for (const int needy : {0, 1}) {
    const std::vector<Tensor> in = {random_tensor({1, 2, 2, 3}, 1), random_tensor({1, 4, 4, 2}, 2)};
    in[needy].requires_grad_();
    beside(in).backward(random_tensor({1, 4, 4, 5}, 3));
    EXPECT_TRUE(in[needy].grad());
    EXPECT_FALSE(in[1 - needy].grad());
  }
}

// Interpolation weights sum to one, so a constant stays what it is, and every unit of gradient arrives somewhere.
TEST(UpsampleInvariants, ConstantsAndGradientSumsAreKept) {
  const Tensor x = Tensor::full({1, 5, 7, 2}, 3.F);
  EXPECT_TRUE(close(upsample_bilinear(x, 13, 11), Tensor::full({1, 13, 11, 2}, 3.F), 1e-6));
  x.requires_grad_();
  sum(upsample_bilinear(x, 13, 11)).backward();
  EXPECT_NEAR(double(sum(x.grad()).item()), 13 * 11 * 2, 1e-3);
}

// With scale_factor = 1.7, 6 rows become floor(10.2) = 10, and PyTorch walks in steps of 1/1.7, not 6/10.
TEST(UpsampleByFactor, WalksInStepsOfOneOverTheFactor) {
  const Tensor x = random_tensor({1, 6, 5, 2}, 1);
  const Array by_factor = bilinear_by_factor(10, 8, 1.7).value({Array(x)}),
              to_size = bilinear(10, 8, Corners::half_pixel).value({Array(x)});
  EXPECT_TRUE(close(upsample_bilinear(x, 1.7), by_factor.tensor(), kTolerance));
  EXPECT_FALSE(close(upsample_bilinear(x, 1.7), to_size.tensor(), 1e-2));
}

TEST(UpsampleByFactor, EqualsTheSizeWhereTheProductIsWhole) {
  const Tensor x = random_tensor({1, 6, 4, 2}, 1);
  EXPECT_TRUE(close(upsample_bilinear(x, 2.), upsample_bilinear(x, 12, 8), 0));
  EXPECT_TRUE(close(upsample_nearest(x, 0.5), upsample_nearest(x, 3, 2), 0));
}

TEST(UpsampleErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({1, 4, 5, 2});
  EXPECT_ERROR(upsample_bilinear(x, 0, 3), "upsample_bilinear: input [1,4,5,2] cannot become 0 x 3");
  EXPECT_ERROR(upsample_nearest(x, 0.1), "upsample_nearest: input [1,4,5,2] cannot become 0 x 0");
  EXPECT_ERROR(upsample_nearest(x, -2.), "scale factor -2 is not positive");
  EXPECT_ERROR(upsample_concat(x, Tensor::zeros({2, 8, 10, 2})),
               "upsample_concat: [1,4,5,2] does not fit beside [2,8,10,2]");
  EXPECT_ERROR(upsample_bilinear(Tensor::zeros({4, 5}), 8, 8), "input [4,5] is not a map [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
