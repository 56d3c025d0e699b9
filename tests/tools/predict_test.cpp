// mdeval predict: every file that it writes holds the network's own depth, and what it is asked for makes sense.
// Labels: tool
#include <gtest/gtest.h>

#include <limits>

#include "data/depth_map.h"
#include "data/score.h"
#include "tests/data/picture_files.h"
#include "tests/tools/predict_fixture.h"

namespace md::test {
namespace {

TEST_F(PredictTest, WritesTheNetworksDepthInEveryForm) {
  const ToolRun run = predict({path("room.png"), "--npy", "--ply", "--focal", "60", "--center", "20,10"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("1 image in " + path("out") + "\n")) << run.out;
  const std::vector<float> depth_m = expected_m();

  const std::string npy = bytes_of(path("out/room.npy"));
  const std::size_t data = 10 + at<std::uint16_t>(npy, 8);
  EXPECT_EQ(data % 64, 0U);
  EXPECT_NE(npy.find("'shape': (40, 50)"), npy.npos);
  ASSERT_EQ(npy.size(), data + depth_m.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(npy.data() + data, depth_m.data(), npy.size() - data), 0);

  const DepthImage stored = read_depth(path("out/room.png"));
  ASSERT_EQ(stored.pixels.size(), depth_m.size());
  const std::string ply = bytes_of(path("out/room.ply"));
  const std::size_t vertices = ply.find("end_header\n") + 11;
  ASSERT_EQ(ply.size(), vertices + depth_m.size() * 15);
  for (std::size_t i = 0; i < depth_m.size(); ++i) {
    EXPECT_NEAR(stored.pixels[i], depth_m[i] * 1000, 0.501);
    const std::size_t vertex = vertices + i * 15;
    const float x = at<float>(ply, vertex), y = at<float>(ply, vertex + 4), z = at<float>(ply, vertex + 8);
    EXPECT_EQ(z, depth_m[i]);
    EXPECT_NEAR(60 * x / z + 20, double(i % 50), 1e-3) << "projects back onto its pixel";
    EXPECT_NEAR(60 * y / z + 10, double(i / 50), 1e-3);
    EXPECT_EQ(at<std::uint8_t>(ply, vertex + 13), image_.pixels[i * 3 + 1]);
  }
  EXPECT_EQ(read_rgb(path("out/room_color.png")).width, 50);
}

TEST_F(PredictTest, KittisServerGetsWhatItTakes) {
  write_png(path("0000000007.png"), image_);
  ASSERT_EQ(predict({path("0000000007.png"), "--kitti-benchmark"}).code, 0);
  EXPECT_EQ(written(), Words{"0000000007.png"});
  const DepthImage stored = read_depth(path("out/0000000007.png"));
  const std::vector<float> depth_m = expected_m();
  for (std::size_t i = 0; i < depth_m.size(); ++i) EXPECT_NEAR(stored.pixels[i], depth_m[i] * 256, 0.501);
  EXPECT_TRUE(refused(predict({path("room.png"), "--kitti-benchmark", "--npy"}), 2, {"--kitti-benchmark"}));
}

TEST_F(PredictTest, AveragesWithTheMirroredImage) {
  ASSERT_EQ(predict({path("room.png"), "--flip-average", "--npy"}).code, 0);
  RgbImage mirrored = image_;
  for (int y = 0; y < image_.height; ++y) {
    for (int x = 0; x < image_.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        mirrored.pixels[std::size_t((y * 50 + x) * 3 + c)] = image_.pixels[std::size_t((y * 50 + 49 - x) * 3 + c)];
      }
    }
  }
  const Tensor want =
      flip_average(Tensor::from_host(expected_m(), {40, 50}), Tensor::from_host(expected_m(mirrored), {40, 50}));
  EXPECT_EQ(read_depth_map(path("out/room.npy")).pixels, want.to_host());
}

TEST_F(PredictTest, SpreadsColoursOverTheRangeAskedFor) {
  ASSERT_EQ(predict({path("room.png"), "--range-per-image", "--colormap", "magma"}).code, 0);
  const std::vector<float> depth_m = expected_m();
  const auto [low, high] = std::ranges::minmax_element(depth_m);
  const RgbImage colours = read_rgb(path("out/room_color.png"));
  const auto colour_at = [&](std::size_t i) { return std::vector(&colours.pixels[3 * i], &colours.pixels[3 * i] + 3); };
  EXPECT_EQ(colour_at(std::size_t(low - depth_m.begin())), (std::vector<std::uint8_t>{0, 0, 4}));
  EXPECT_EQ(colour_at(std::size_t(high - depth_m.begin())), (std::vector<std::uint8_t>{252, 253, 191}));
}

TEST_F(PredictTest, PhotosAreTakenAsTheyAreLookedAt) {
  write_jpeg(path("stored.jpg"), stored_as(image_, 5));
  write("turned.jpg", with_exif(bytes_of(path("stored.jpg")), exif_block({.orientation = 5})));
  ASSERT_EQ(predict({path("turned.jpg"), "--npy"}).code, 0);
  const std::vector<float> turned = read_depth_map(path("out/turned.npy")).pixels, upright = expected_m();
  ASSERT_EQ(turned.size(), upright.size());
  for (std::size_t i = 0; i < turned.size(); ++i) ASSERT_NEAR(turned[i], upright[i], 0.1) << "but for what JPEG loses";
}

TEST_F(PredictTest, TransparencyIsWhiteUnlessItIsIgnored) {
  write("clear.png", foreign_png(PNG_FORMAT_RGBA, 40, 50));  // everywhere 0x34, 0x12, 0x34 with alpha 0x12
  const auto expected_of = [&](const std::array<std::uint8_t, 3>& colour) {
    RgbImage flat{40, 50, {}};
    for (int i = 0; i < 2000; ++i) flat.pixels.insert(flat.pixels.end(), colour.begin(), colour.end());
    return expected_m(flat);
  };
  ASSERT_EQ(predict({path("clear.png"), "--npy", "--alpha", "ignore"}).code, 0);
  EXPECT_EQ(read_depth_map(path("out/clear.npy")).pixels, expected_of({0x34, 0x12, 0x34}));
  ASSERT_EQ(predict({path("clear.png"), "--npy"}).code, 0);
  const std::vector<float> over_white = read_depth_map(path("out/clear.npy")).pixels,
                           white = expected_of({241, 238, 241});
  for (std::size_t i = 0; i < white.size(); ++i) ASSERT_NEAR(over_white[i], white[i], 0.02);
  EXPECT_TRUE(refused(predict({path("clear.png"), "--alpha", "black"}), 2, {"--alpha"}));
}

TEST_F(PredictTest, NeverOverwritesAnImage) {
  std::filesystem::create_directories(path("out"));
  write_png(path("out/room.png"), image_);
  const std::string before = bytes_of(path("out/room.png"));
  EXPECT_TRUE(refused(predict({path("out")}), 2, {"--out", "would overwrite " + path("out/room.png")}));
  EXPECT_EQ(bytes_of(path("out/room.png")), before);
  std::filesystem::create_directories(path("pairs"));
  write_jpeg(path("pairs/1.jpg"), image_);
  write_png(path("pairs/1.png"), test_depth(40, 50));  // measured, beside its picture
  EXPECT_TRUE(refused(run_tool("mdeval", {"predict", path("net.safetensors"), path("pairs"), "--out", path("pairs")}),
                      2, {"would overwrite " + path("pairs/1.png")}));
}

TEST_F(PredictTest, RefusesWeightsThatAreNoNumbers) {
  net_->parameters().back().tensor.data()[0] = std::numeric_limits<float>::quiet_NaN();
  save_net("net.safetensors");
  EXPECT_TRUE(refused(predict({path("room.png")}), 70, {"room.png: the prediction is not finite"}));
  write_png(path("b.png"), image_);
  EXPECT_EQ(predict({path("room.png"), path("b.png")}).code, 70) << "the network's fault, not the files'";
}

TEST_F(PredictTest, NamesWhatItCannotTake) {
  write_png(path("tiny.png"), test_image(20, 50));
  write("text.png", "no picture");
  std::filesystem::create_directories(path("empty"));
  EXPECT_TRUE(refused(predict({path("tiny.png"), "--input-size", "native"}), 65, {path("tiny.png") + ": ", "20x50"}));
  EXPECT_TRUE(refused(predict({path("text.png")}), 65, {path("text.png")}));
  EXPECT_TRUE(refused(predict({path("absent.jpg")}), 66, {path("absent.jpg")}));
  EXPECT_TRUE(refused(predict({path("empty")}), 65, {path("empty"), "no picture"}));
  EXPECT_TRUE(refused(predict({path("room.png"), "--ply"}), 2, {"--ply", "--focal"}));
  EXPECT_TRUE(refused(predict({path("room.png"), "--range", "4,2"}), 2, {"--range"}));
  EXPECT_TRUE(refused(predict({}), 2, {"IMAGES"}));
  EXPECT_FALSE(std::filesystem::exists(path("out"))) << "nothing was predicted, nothing is left";
}

}  // namespace
}  // namespace md::test
