// mdeval predict at the size that the network was trained at: what goes in, and depth of the picture's own size out.
// Labels: tool
#include <gtest/gtest.h>

#include "data/depth_map.h"
#include "tests/tools/predict_fixture.h"
#include "tests/tools/tiny_runs.h"

namespace md::test {
namespace {

class PredictSizeTest : public PredictTest {
 protected:
  /// What the network says of a picture at another size, brought back to the picture's own.
  std::vector<float> expected_through(const RgbImage& image, int height, int width) const {
    const Tensor map = Tensor::from_host(expected_m(rescaled(image, height, width)), {height, width});
    RescaledRows rows(map, image.height, image.width);
    std::vector<float> all;
    for (int y = 0; y < image.height; ++y) {
      const std::span<const float> row = rows.next();
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }
  /// Of NAME.png, by `predict` with more options.
  std::vector<float> predicted(const std::string& name, const Words& more = {}) const {
    Words words = {path(name + ".png"), "--npy"};
    words.insert(words.end(), more.begin(), more.end());
    const ToolRun run = predict(words);
    EXPECT_EQ(run.code, 0) << run.err;
    return read_depth_map(path("out/" + name + ".npy")).pixels;
  }
};

TEST_F(PredictSizeTest, LargerAndSmallerPicturesGoInAtTheTrainedSize) {
  const RgbImage large = test_image(100, 150), small = test_image(24, 60), upright = test_image(150, 100);
  write_png(path("large.png"), large);
  write_png(path("small.png"), small);
  write_png(path("upright.png"), upright);
  EXPECT_EQ(predicted("large"), expected_through(large, 40, 60));
  EXPECT_EQ(predicted("small"), expected_through(small, 40, 100));
  EXPECT_EQ(predicted("upright"), expected_through(upright, 60, 40));
  EXPECT_EQ(read_depth(path("out/small.png")).width, 60);
  EXPECT_EQ(read_rgb(path("out/upright_color.png")).height, 150);
}

TEST_F(PredictSizeTest, ATrainingFrameGoesInUntouched) { EXPECT_EQ(predicted("room"), expected_m()); }

TEST_F(PredictSizeTest, TheSizeCanBeChosen) {
  const RgbImage image = test_image(64, 128);
  write_png(path("wide.png"), image);
  EXPECT_EQ(predicted("wide", {"--input-size", "native"}), expected_m(image));
  EXPECT_EQ(predicted("wide", {"--input-size", "96x96"}), expected_through(image, 48, 96));
  EXPECT_EQ(predicted("wide", {"--input-size", "100x300"}), expected_through(image, 100, 200));
  EXPECT_TRUE(refused(predict({path("wide.png"), "--input-size", "96"}), 2, {"--input-size 96", "HxW"}));
  EXPECT_TRUE(refused(predict({path("wide.png"), "--input-size", "8x96"}), 2, {"--input-size 8x96", "32"}));
}

TEST_F(PredictSizeTest, TheLastLinesSayTheSize) {
  write_png(path("large.png"), test_image(80, 100));
  EXPECT_TRUE(contains(predict({path("large.png")}).out, "shorter side 40 pixels, as in training: 40x50"));
  EXPECT_TRUE(
      contains(predict({path("large.png"), "--input-size", "native"}).out, "every pixel of the picture: 80x100"));
  EXPECT_TRUE(contains(predict({path("large.png"), "--input-size", "64x64"}).out, "fits into 64x64: 51x64"));
}

TEST_F(PredictSizeTest, PointsHaveThePicturesOwnPixels) {
  const RgbImage large = test_image(80, 100);
  write_png(path("large.png"), large);
  ASSERT_EQ(predict({path("large.png"), "--ply", "--focal", "100"}).code, 0);
  const std::string ply = bytes_of(path("out/large.ply"));
  const std::size_t vertices = ply.find("end_header\n") + 11;
  ASSERT_EQ(ply.size(), vertices + 80 * 100 * 15);
  const std::vector<float> depth_m = expected_through(large, 40, 50);
  for (std::size_t i = 0; i < depth_m.size(); ++i) {
    const std::size_t vertex = vertices + 15 * i;
    ASSERT_EQ(at<float>(ply, vertex + 8), depth_m[i]);
    ASSERT_NEAR(at<float>(ply, vertex), (double(i % 100) - 49.5) * double(depth_m[i]) / 100, 1e-5);
    ASSERT_EQ(at<std::uint8_t>(ply, vertex + 12), large.pixels[3 * i]);
  }
}

using TrainedSizeInRuns = TinyRuns;

TEST_F(TrainedSizeInRuns, IsThatOfTheFrames) {  // 40x64, of which 32x64 are cropped
  TrainOptions o = options("run", 1);
  expect_trains(o);
  const RunState state = load_net(path("run/last.safetensors")).state;
  EXPECT_EQ(state.frame_height, 40);
  EXPECT_EQ(state.frame_width, 64);
  const ToolRun run = run_tool(
      "mdeval", {"predict", path("run/last.safetensors"), path("0.png"), "--out", path("out"), "--device", "cpu"});
  EXPECT_NE(run.out.find("shorter side 40 pixels, as in training: 40x64"), std::string::npos) << run.out << run.err;
}

}  // namespace
}  // namespace md::test
