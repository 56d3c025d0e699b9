// Data sets of others by their names: a sample of each in its own layout, written here, comes out in metres on the
// right pixels with the right focal length. Numbers are the data sets' own (data/datasets/NAME.cpp names the sources).
#include <cmath>
#include <limits>

#include "data/datasets.h"
#include "data/npy.h"
#include "tests/data/data_files.h"

namespace md {
namespace {

using test::fails;
using test::test_image;
namespace fs = std::filesystem;

class RecipesTest : public test::DataFolder {
 protected:
  template <class Image>
  void put(const std::string& name, const Image& image) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    write_png(path(name), image);
  }
  void put_jpeg(const std::string& name, const RgbImage& image) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    write_jpeg(path(name), image);
  }
  /// Depth of one value, but for the first pixels.
  void put_depth(const std::string& name, int height, int width, std::uint16_t value,
                 const std::vector<std::uint16_t>& first = {}) const {
    DepthImage depth{height, width, std::vector<std::uint16_t>(std::size_t(height) * std::size_t(width), value)};
    std::ranges::copy(first, depth.pixels.begin());
    put(name, depth);
  }
  void put_npy(const std::string& name, int height, int width, float value,
               const std::vector<float>& first = {}) const {
    const Tensor map = Tensor::full({height, width}, value);
    std::ranges::copy(first, map.data());
    write(name, to_npy(map));
  }
  Dataset open(const std::string& dataset, const std::string& list) const {
    return Dataset({.dataset = dataset, .list = write("list.txt", list), .root = path("")});
  }
  Sample load(const std::string& dataset, const std::string& list) const {
    const Dataset data = open(dataset, list);
    EXPECT_EQ(data.size(), 1);
    return data.load_training(0);
  }
};

TEST_F(RecipesTest, Tum) {
  const std::string sequence = "rgbd_dataset_freiburg2_desk/";
  put(sequence + "rgb/1.5.png", test_image(480, 640));
  put_depth(sequence + "depth/1.6.png", 480, 640, 10'000, {0, 5'000, 65'535});
  const std::string rgb = sequence + "rgb/1.5.png", depth = sequence + "depth/1.6.png";
  for (const std::string& list : {"# time rgb time depth\n1.5 " + rgb + " 1.6 " + depth + "\n",
                                  "1.6 " + depth + " 1.5 " + rgb + "\n", rgb + " " + depth + "\n"}) {
    const Sample sample = load("tum", list);
    EXPECT_EQ(sample.depth_m[0], 0.F);
    EXPECT_EQ(sample.depth_m[1], 1.F);
    EXPECT_EQ(sample.depth_m[2], 65535.F / 5000);
    EXPECT_EQ(sample.depth_m[3], 2.F);
    EXPECT_EQ(sample.focal_px, 520.9);
    EXPECT_EQ(sample.image_name, rgb);
  }
  put(sequence + "half.png", test_image(240, 320));
  EXPECT_EQ(open("tum", sequence + "half.png").load(0).focal_px, 520.9 / 2);
  put("elsewhere.png", test_image(480, 640));
  EXPECT_EQ(open("tum", "elsewhere.png").load(0).focal_px, 525);
}

TEST_F(RecipesTest, ScanNet) {
  RgbImage image = test_image(968, 1296);
  put_jpeg("scene0000_00/color/7.jpg", image);
  image = read_rgb(path("scene0000_00/color/7.jpg"));
  put_depth("scene0000_00/depth/7.png", 480, 640, 2'345, {0});
  write("scene0000_00/intrinsic/intrinsic_color.txt",
        "1165.723022 0.000000 649.094971 0.000000\n0 1165.738037 484.76 0\n");
  const Sample sample = load("scannet", "scene0000_00/color/7.jpg\n");
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 2.345F);
  EXPECT_EQ(sample.depth_name, "scene0000_00/depth/7.png");
  EXPECT_EQ(sample.resized, "1296x968 to 640x480");
  EXPECT_DOUBLE_EQ(sample.focal_px, 1165.723022 * 640 / 1296);
  ASSERT_EQ(sample.image.height, 480);
  ASSERT_EQ(sample.image.width, 640);
  for (const int y : {0, 1, 100, 479}) {  // cv2.resize(..., interpolation=cv2.INTER_NEAREST)
    for (const int x : {0, 3, 333, 639}) {
      const std::size_t from = (std::size_t(y * 968 / 480) * 1296 + std::size_t(x * 1296 / 640)) * 3;
      const std::size_t to = (std::size_t(y) * 640 + std::size_t(x)) * 3;
      for (std::size_t c = 0; c < 3; ++c)
        ASSERT_EQ(sample.image.pixels[to + c], image.pixels[from + c]) << y << " " << x;
    }
  }
  put_jpeg("scene0001_00/color/7.jpg", test_image(480, 640));  // exported at the depth's size
  put_depth("scene0001_00/depth/7.png", 480, 640, 2'345);
  EXPECT_DOUBLE_EQ(load("scannet", "scene0001_00/color/7.jpg").focal_px, 1170.187988 * 640 / 1296);
}

TEST_F(RecipesTest, SevenScenes) {
  put("redkitchen/seq-01/frame-000000.color.png", test_image(480, 640));
  put_depth("redkitchen/seq-01/frame-000000.depth.png", 480, 640, 1'500, {65'535, 65'534, 0});
  const Sample sample = load("7scenes", "redkitchen/seq-01/frame-000000.color.png\n");
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 65.534F);
  EXPECT_EQ(sample.depth_m[2], 0.F);
  EXPECT_EQ(sample.depth_m[3], 1.5F);
  EXPECT_EQ(sample.focal_px, 585);
}

TEST_F(RecipesTest, SunRgbd) {
  const auto rotated = [](unsigned mm) { return std::uint16_t(mm << 3 | mm >> 13); };
  put_jpeg("kv2/kinect2data/000002/image/0000103.jpg", test_image(530, 730));
  put_depth("kv2/kinect2data/000002/depth_bfx/0000104.png", 530, 730, rotated(2'345), {0, rotated(9'001), rotated(1)});
  write("kv2/kinect2data/000002/intrinsics.txt",
        "529.500000 0.000000 365.000000 0.000000 529.500000 265.000000 0 0 1 \n");
  const std::string list = "kv2/kinect2data/000002/image/0000103.jpg kv2/kinect2data/000002/depth_bfx/0000104.png\n";
  const Sample sample = load("sunrgbd", list);
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 9.001F);
  EXPECT_EQ(sample.depth_m[2], 0.001F);
  EXPECT_EQ(sample.depth_m[3], 2.345F);
  EXPECT_EQ(sample.focal_px, 529.5);
  write("kv2/kinect2data/000002/intrinsics.txt", "691.584229 0 362.7\n");
  EXPECT_EQ(load("sunrgbd", list).focal_px, 691.584229);
  for (unsigned value = 0; value < 65536; ++value) ASSERT_EQ(rotated_back(rotated(value)), value);
}

TEST_F(RecipesTest, Diode) {
  const std::string stem = "val/indoors/scene_00019/scan_00183/00019_00183_indoors_000_010";
  put(stem + ".png", test_image(768, 1024));
  put_npy(stem + "_depth.npy", 768, 1024, 3.25F, {1.5F, 2.5F, 0.F});
  const Dataset unmasked = open("diode", stem + ".png");
  EXPECT_EQ(unmasked.load(0).depth_m[0], 1.5F);
  ASSERT_EQ(unmasked.load(0).depth_m[2], 0.F);
  ASSERT_EQ(unmasked.remarks().size(), 1U);
  EXPECT_EQ(unmasked.remarks()[0].find("1 mask is not there: all that it covers is taken for measured ("), 0U);
  put_npy(stem + "_depth_mask.npy", 768, 1024, 1.F, {0.F});
  const Sample sample = load("diode", stem + ".png");
  EXPECT_EQ(sample.depth_m[0], 0.F);  // measured, but invalid
  EXPECT_EQ(sample.depth_m[1], 2.5F);
  EXPECT_EQ(sample.depth_m[2], 0.F);
  EXPECT_EQ(sample.depth_m[3], 3.25F);
  EXPECT_EQ(sample.focal_px, 886.81);
  put_npy(stem + "_depth_mask.npy", 768, 1023, 1.F);
  EXPECT_TRUE(fails([&] { load("diode", stem + ".png"); }, ErrorKind::bad_data,
                    "_depth_mask.npy: a mask of 1023x768 for depth of 1024x768"));
}

TEST_F(RecipesTest, VirtualKitti2) {
  const std::string frames = "Scene01/clone/frames/";
  put_jpeg(frames + "rgb/Camera_0/rgb_00001.jpg", test_image(375, 1242));
  put_depth(frames + "depth/Camera_0/depth_00001.png", 375, 1242, 4'321, {65'535, 65'534, 100});
  const Sample sample = load("vkitti2", frames + "rgb/Camera_0/rgb_00001.jpg\n");
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 655.34F);
  EXPECT_EQ(sample.depth_m[2], 1.F);
  EXPECT_EQ(sample.depth_m[3], 43.21F);
  EXPECT_EQ(sample.focal_px, 725.0087);
  fs::create_directories(path("rgb"));
  fs::create_directories(path("depth/Scene01/clone/frames"));
  fs::rename(path(frames + "depth"), path("depth/" + frames + "depth"));
  fs::rename(path("Scene01"), path("rgb/Scene01"));
  EXPECT_EQ(load("vkitti2", frames + "rgb/Camera_0/rgb_00001.jpg\n").depth_m[3], 43.21F);
}

TEST_F(RecipesTest, ImpliedDepthMayLieBelowTheDepthsRootAndInAnotherFormat) {
  put("images/room/0.png", test_image(768, 1024));
  put_npy("depths/room/0_depth.npy", 768, 1024, 3.F);
  const std::string list = write("list.txt", "room/0.png\n");
  const DatasetSpec spec{.dataset = "diode", .list = list, .root = path("images"), .depth_root = path("depths")};
  EXPECT_EQ(Dataset(spec).load(0).depth_m[5], 3.F);
  fs::remove(path("depths/room/0_depth.npy"));
  put_depth("depths/room/0_depth.png", 768, 1024, 640);
  EXPECT_EQ(Dataset(spec).load(0).depth_m[5], 2.5F);  // a copy in 1/256 m
  fs::remove(path("depths/room/0_depth.png"));
  EXPECT_TRUE(fails([&] { Dataset(spec).load(0); }, ErrorKind::missing, "images/room/0_depth.npy: no such file"));
}

TEST_F(RecipesTest, Ibims) {
  put("rgb/kitchen_01.png", test_image(480, 640));
  put_depth("depth/kitchen_01.png", 480, 640, 13'107, {13'107, 13'107, 65'535, 0});
  RgbImage valid{480, 640, std::vector<std::uint8_t>(480UL * 640 * 3, 255)}, opaque = valid;
  std::fill_n(valid.pixels.begin(), 3, std::uint8_t{0});
  std::fill_n(opaque.pixels.begin() + 3, 3, std::uint8_t{0});
  put("mask_invalid/kitchen_01.png", valid);
  put("mask_transp/kitchen_01.png", opaque);
  write("calib/kitchen_01.txt", "559.21,558.05,323.98,240.23\n");
  const Sample sample = load("ibims", "rgb/kitchen_01.png\n");
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 0.F);
  EXPECT_FLOAT_EQ(sample.depth_m[2], 50.F);
  EXPECT_EQ(sample.depth_m[3], 0.F);
  EXPECT_FLOAT_EQ(sample.depth_m[4], 10.F);
  EXPECT_EQ(sample.focal_px, 559.21);
  EXPECT_EQ(named_protocol("ibims_eigen", "ibims").crop, ScoreCrop::eigen_nyu);
}

TEST_F(RecipesTest, Hypersim) {
  const std::string images = "ai_001_001/images/scene_cam_00_";
  put_jpeg(images + "final_preview/frame.0000.tonemap.jpg", test_image(768, 1024));
  const std::string list = images + "final_preview/frame.0000.tonemap.jpg\n";
  const std::string stem = images + "geometry_hdf5/frame.0000.depth_meters";
  write(stem + ".hdf5", "\x89HDF\r\n\x1a\n");
  EXPECT_TRUE(
      fails([&] { load("hypersim", list); }, ErrorKind::bad_data, "depth_meters.hdf5: HDF5 is not read; python3 -c"));
  EXPECT_TRUE(fails([&] { load("hypersim", list.substr(0, list.size() - 1) + " " + stem + ".hdf5\n"); },
                    ErrorKind::bad_data, "depth_meters.hdf5: HDF5 is not read"));
  put_npy(stem + ".npy", 768, 1024, 5.F, {std::nanf(""), std::numeric_limits<float>::infinity(), 5.F});
  const Sample sample = load("hypersim", list);
  EXPECT_EQ(sample.focal_px, 886.81);
  EXPECT_EQ(sample.depth_m[0], 0.F);
  EXPECT_EQ(sample.depth_m[1], 0.F);
  for (const auto& [y, x] : {std::pair{0, 2}, {384, 512}, {100, 1000}, {767, 0}}) {
    const double u = x - 511.5, v = y - 383.5;  // linspace(-0.5 * 1024 + 0.5, 0.5 * 1024 - 0.5, 1024)
    const double planar = 5 / std::sqrt(u * u + v * v + 886.81 * 886.81) * 886.81;
    EXPECT_NEAR(sample.depth_m[std::size_t(y) * 1024 + std::size_t(x)], planar, 1e-6) << y << " " << x;
  }
  // Half the size: the same rays.
  put_jpeg(images + "final_preview/frame.0001.tonemap.jpg", test_image(384, 512));
  put_npy(images + "geometry_hdf5/frame.0001.depth_meters.npy", 384, 512, 5.F);
  const Sample half = load("hypersim", images + "final_preview/frame.0001.tonemap.jpg\n");
  EXPECT_NEAR(half.depth_m[0], 5 / std::sqrt(255.5 * 255.5 + 191.5 * 191.5 + 443.405 * 443.405) * 443.405, 1e-6);
}

}  // namespace
}  // namespace md
