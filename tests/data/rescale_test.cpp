// Pictures at another size against Lanczos's filter as plain loops, depth rows against bilinear interpolation as a
// formula; the same size changes nothing.
#include "data/rescale.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/data/test_images.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

double sinc(double x) { return x == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x); }

/// One channel of one pixel, over the whole picture: each input weighs sinc(d) sinc(d / 3) along both axes, where d is
/// its distance in outputs, or in inputs where those are wider, below 3.
double filtered(const RgbImage& image, int height, int width, int y, int x, int channel) {
  const double sy = double(image.height) / height, sx = double(image.width) / width;
  const auto weight = [](int i, int j, double scale) {
    const double d = (i + 0.5 - (j + 0.5) * scale) / std::max(scale, 1.0);
    return std::abs(d) < 3 ? sinc(d) * sinc(d / 3) : 0.0;
  };
  double sum = 0, weights = 0;
  for (int v = 0; v < image.height; ++v) {
    for (int u = 0; u < image.width; ++u) {
      const double w = weight(v, y, sy) * weight(u, x, sx);
      sum += w * image.pixels[std::size_t((v * image.width + u) * 3 + channel)];
      weights += w;
    }
  }
  return std::clamp(sum / weights, 0.0, 255.0);
}

TEST(Rescale, PicturesAreLanczossFilter) {
  const RgbImage image = test_image(37, 50);
  const std::pair<int, int> sizes[] = {{12, 17}, {74, 100}, {5, 93}, {41, 20}, {1, 1}, {36, 50}};
  for (const auto& [height, width] : sizes) {
    const RgbImage out = rescaled(image, height, width);
    ASSERT_EQ(out.pixels.size(), std::size_t(height * width * 3));
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c)
          ASSERT_NEAR(out.pixels[std::size_t((y * width + x) * 3 + c)], filtered(image, height, width, y, x, c), 0.51)
              << height << "x" << width << " at " << y << ", " << x;
      }
    }
  }
}

TEST(Rescale, AFinePatternBecomesItsMean) {  // without a filter it becomes black, white, or stripes
  RgbImage stripes{64, 64, {}};
  for (int i = 0; i < 64 * 64; ++i) stripes.pixels.insert(stripes.pixels.end(), 3, std::uint8_t(i % 2 * 200));
  const RgbImage out = rescaled(stripes, 16, 16);
  for (int y = 0; y < 16; ++y) {
    for (int x = 3; x < 13; ++x)  // where the filter is not cut
      EXPECT_NEAR(out.pixels[std::size_t((y * 16 + x) * 3)], 100, 1) << y << ", " << x;
  }
}

TEST(Rescale, TheSameSizeChangesNothing) {
  const RgbImage image = test_image(21, 34);
  EXPECT_EQ(rescaled(image, 21, 34).pixels, image.pixels);
  const Tensor map = random_tensor({21, 34}, 1);
  RescaledRows rows(map, 21, 34);
  for (int round = 0; round < 2; ++round) {
    for (i64 y = 0; y < 21; ++y) {
      const std::span<const float> row = rows.next();
      ASSERT_TRUE(std::ranges::equal(row, std::span(map.data() + y * 34, 34))) << "row " << y;
    }
  }
}

TEST(Rescale, RowsAreBilinearBetweenPixelCentres) {
  const Tensor map = random_tensor({6, 9}, 2, 0.5F, 9.F);
  const std::pair<int, int> sizes[] = {{25, 31}, {3, 40}, {60, 4}, {1, 1}, {7, 9}};
  for (const auto& [height, width] : sizes) {
    RescaledRows rows(map, height, width);
    for (int y = 0; y < height; ++y) {
      const std::span<const float> row = rows.next();
      ASSERT_EQ(row.size(), std::size_t(width));
      for (int x = 0; x < width; ++x) {
        const double v = std::clamp((y + 0.5) * 6 / height - 0.5, 0.0, 5.0);
        const double u = std::clamp((x + 0.5) * 9 / width - 0.5, 0.0, 8.0);
        double want = 0;
        for (int j = 0; j < 6; ++j) {
          for (int i = 0; i < 9; ++i)
            want +=
                std::max(0.0, 1 - std::abs(v - j)) * std::max(0.0, 1 - std::abs(u - i)) * double(map.data()[j * 9 + i]);
        }
        ASSERT_NEAR(row[std::size_t(x)], want, 1e-5) << height << "x" << width << " at " << y << ", " << x;
      }
    }
  }
}

TEST(Rescale, RowsOfOnePixelAreThatPixel) {
  RescaledRows rows(Tensor::full({1, 1}, 3.25F), 4, 5);
  for (int y = 0; y < 4; ++y) {
    for (const float value : rows.next()) EXPECT_EQ(value, 3.25F);
  }
}

}  // namespace
}  // namespace md::test
