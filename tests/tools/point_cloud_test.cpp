// Points from depth: which pixels become one, where it lies, and a header that counts them.
#include "tools/eval/point_cloud.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/data/data_files.h"

namespace md::test {
namespace {

struct Point {
  float x, y, z;
  std::uint8_t red, green, blue;
};

class PointCloudTest : public DataFolder {
 protected:
  std::vector<Point> points(const PictureDepth& depth, const RgbImage& colours,
                            const PointCloudOptions& options) const {
    write_point_cloud(path("points.ply"), depth, colours, 50, options);
    const std::string bytes = bytes_of(path("points.ply"));
    const std::size_t count = std::stoul(bytes.substr(bytes.find("element vertex ") + 15));
    std::size_t at = bytes.find("end_header\n") + 11;
    EXPECT_EQ(bytes.size(), at + count * 15);
    std::vector<Point> all(count);
    for (Point& point : all) {
      std::memcpy(&point, bytes.data() + at, 15);
      at += 15;
    }
    return all;
  }
};

/// A wall at 2 m, and from column `split` on one at 5 m.
Tensor step_map(int height, int width, int split) {
  const Tensor map = Tensor::empty({height, width});
  for (i64 i = 0; i < map.numel(); ++i) map.data()[i] = i % width < split ? 2.F : 5.F;
  return map;
}

TEST_F(PointCloudTest, EdgesAreTheTwoColumnsAtAStep) {
  const PictureDepth depth{step_map(6, 10, 4), {6, 10}};
  const std::vector<Point> kept = points(depth, test_image(6, 10), {.edge = 0.1});
  EXPECT_EQ(kept.size(), 6U * 8);
  for (const Point& point : kept) {
    const double column = double(point.x) * 50 / double(point.z) + 4.5;
    EXPECT_TRUE(column < 2.5 || column > 4.5) << column;
  }
  EXPECT_EQ(points(depth, test_image(6, 10), {.edge = 0.7}).size(), 6U * 9) << "3 m are 60 % of 5 m, 150 % of 2 m";
  EXPECT_EQ(points(depth, test_image(6, 10), {.edge = 1.6}).size(), 60U);
}

TEST_F(PointCloudTest, NothingFliesBetweenWallsOfALargerPicture) {  // depth is interpolated between 2 and 5 m there
  const PictureDepth depth{step_map(6, 10, 4), {60, 100}};
  const std::vector<Point> all = points(depth, test_image(60, 100), {}),
                           kept = points(depth, test_image(60, 100), {.edge = 0.1});
  const auto flies = [](const Point& point) { return point.z > 2.01F && point.z < 4.99F; };
  EXPECT_GT(std::ranges::count_if(all, flies), 0);
  EXPECT_EQ(std::ranges::count_if(kept, flies), 0);
  EXPECT_EQ(kept.size(), 60U * 80);
}

TEST_F(PointCloudTest, AFarWallIsLeftOutByItsDistance) {
  const PictureDepth depth{step_map(6, 10, 4), {6, 10}};
  EXPECT_EQ(points(depth, test_image(6, 10), {.max_distance_m = 5}).size(), 60U) << "as far as that";
  EXPECT_EQ(points(depth, test_image(6, 10), {.max_distance_m = 4.9}).size(), 24U);
  EXPECT_EQ(points(depth, test_image(6, 10), {.max_distance_m = 1}).size(), 0U) << "a file without points";
}

TEST_F(PointCloudTest, PointsLieOnTheirPixelsRays) {
  const RgbImage colours = test_image(7, 9);
  const PictureDepth depth{Tensor::full({7, 9}, 3.F), {7, 9}};
  for (const bool y_up : {false, true}) {
    const std::vector<Point> all = points(depth, colours, {.y_up = y_up, .center_px = {2, 5}});
    ASSERT_EQ(all.size(), 63U);
    const float up = y_up ? -1.F : 1.F;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_NEAR(all[i].x, (double(i % 9) - 2) * 3 / 50, 1e-6);
      EXPECT_NEAR(all[i].y, double(up) * (double(i / 9) - 5) * 3 / 50, 1e-6);
      EXPECT_EQ(all[i].z, up * 3);
      EXPECT_EQ(all[i].red, colours.pixels[3 * i]);
      EXPECT_EQ(all[i].blue, colours.pixels[3 * i + 2]);
    }
  }
}

}  // namespace
}  // namespace md::test
