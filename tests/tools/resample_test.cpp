// Predictions brought to another size, against the definitions of torch's interpolate and OpenCV's resize.
#include "tools/eval/resample.h"

#include <algorithm>
#include <cmath>

#include "tests/kit/testing.h"

namespace md {
namespace {

/// Pixels' centres aligned, the border repeated.
float bilinear_at(const Tensor& map, i64 height, i64 width, i64 y, i64 x) {
  const auto place = [](i64 i, i64 from, i64 to) {
    return std::max(0.0, (double(i) + 0.5) * double(from) / double(to) - 0.5);
  };
  const double row = place(y, map.dim(0), height), column = place(x, map.dim(1), width);
  const auto at = [&](i64 r, i64 c) {
    return double(map.data()[std::min(r, map.dim(0) - 1) * map.dim(1) + std::min(c, map.dim(1) - 1)]);
  };
  const i64 r = i64(row), c = i64(column);
  const double down = row - double(r), right = column - double(c);
  return float((1 - down) * ((1 - right) * at(r, c) + right * at(r, c + 1)) +
               down * ((1 - right) * at(r + 1, c) + right * at(r + 1, c + 1)));
}

float nearest_at(const Tensor& map, i64 height, i64 width, i64 y, i64 x) {
  return map.data()[y * map.dim(0) / height * map.dim(1) + x * map.dim(1) / width];
}

TEST(Resample, IsTorchsInterpolate) {
  const Tensor map = test::random_tensor({7, 11}, 1, 0.5F, 10.F);
  for (const auto& [height, width] : std::vector<std::pair<i64, i64>>{{14, 22}, {3, 5}, {20, 11}, {7, 4}, {1, 1}}) {
    const Tensor bilinear = resampled(map, height, width, Resampling::bilinear);
    const Tensor nearest = resampled(map, height, width, Resampling::nearest);
    ASSERT_EQ(bilinear.shape(), Shape({height, width}));
    for (i64 i = 0; i < bilinear.numel(); ++i) {
      EXPECT_NEAR(bilinear.data()[i], bilinear_at(map, height, width, i / width, i % width), 1e-5);
      EXPECT_EQ(nearest.data()[i], nearest_at(map, height, width, i / width, i % width));
    }
  }
}

TEST(Resample, MakesNoDepthOfWhatIsNone) {
  for (const float none : {0.F, -1.F, std::nanf(""), INFINITY}) {
    const Tensor map = Tensor::full({4, 6}, 5.F);
    map.data()[8] = none;
    const Tensor large = resampled(map, 9, 13, Resampling::bilinear);
    i64 odd = 0;
    for (i64 i = 0; i < large.numel(); ++i) {
      const float value = large.data()[i];
      if (std::abs(value - 5.F) < 1e-5F) continue;
      EXPECT_TRUE(value == none || (std::isnan(value) && std::isnan(none))) << value;
      ++odd;
    }
    EXPECT_GT(odd, 0);
    EXPECT_LT(odd, 9) << "about the pixel's own part";
  }
}

}  // namespace
}  // namespace md
