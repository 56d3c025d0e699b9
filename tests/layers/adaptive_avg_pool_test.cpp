// Average pooling in all its shapes and on every device, against lesson 7 (tests/lessons/07_pooling.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/07_pooling.h"

namespace md::test {
namespace {

struct Sizes {
  const char* name;
  Shape from;
  i64 h, w;
};

class AdaptiveAvgPool : public ::testing::TestWithParam<Sizes> {
 protected:
  const Sizes s = GetParam();
};

TEST_P(AdaptiveAvgPool, EqualsItsDefinition) {
  for_each_device([&](Device device) {
    const Tensor x = random_tensor(s.from, 1, -1, 3, device);
    EXPECT_TRUE(close(adaptive_avg_pool(x, s.h, s.w), lessons::pooling::means(Array(x), s.h, s.w).tensor(),
                      1e-6));  // float sums
  });
}

TEST_P(AdaptiveAvgPool, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    const Tensor x = random_tensor(s.from, 1, -1, 1, device);
    // The op is linear, so a large step costs no accuracy and lifts means over many pixels above their rounding.
    expect_gradcheck([&](const auto& in) { return adaptive_avg_pool(in[0], s.h, s.w); }, {x}, {.step = 1});
  });
}

INSTANTIATE_TEST_SUITE_P(
    , AdaptiveAvgPool,
    ::testing::Values(Sizes{"to_1x1", {2, 5, 7, 3}, 1, 1}, Sizes{"to_1x1_wide", {1, 9, 4, 72}, 1, 1},
                      Sizes{"one_channel", {3, 4, 5, 1}, 1, 1}, Sizes{"dividing", {2, 6, 4, 3}, 3, 2},
                      Sizes{"overlapping", {1, 7, 10, 4}, 3, 6}, Sizes{"more_bins_than_pixels", {2, 3, 4, 2}, 6, 6},
                      Sizes{"rows_only", {1, 5, 4, 2}, 1, 3}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(AvgPool, IsTheMeanOfEachSquare) {
  for_each_device([&](Device device) {
    const Tensor x = random_tensor({2, 6, 12, 3}, 1, -1, 3, device);
    for (const int kernel : {1, 2, 3}) {
      const Array want = lessons::pooling::means(Array(x), 6 / kernel, 12 / kernel);
      EXPECT_TRUE(close(avg_pool(x, kernel), want.tensor(), 1e-6)) << kernel;
    }
    expect_gradcheck([](const auto& in) { return avg_pool(in[0], 2); }, {x}, {.step = 1});
  });
}

TEST(AdaptiveAvgPoolErrors, NameTheShapes) {
  EXPECT_ERROR(adaptive_avg_pool(Tensor::zeros({2, 3, 4, 5}), 0, 1), "adaptive_avg_pool: input [2,3,4,5]");
  EXPECT_ERROR(avg_pool(Tensor::zeros({1, 6, 5, 2}), 2), "[1,6,5,2] does not divide into squares of 2");
  EXPECT_ERROR(adaptive_avg_pool(Tensor::zeros({3, 4, 5}), 1, 1), "input [3,4,5] is not a map [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
