// mdeval predict: numbers that survive the file, and words where they cannot. Scale, cutting, focal lengths, points.
// Labels: tool
#include <gtest/gtest.h>

#include "data/depth_map.h"
#include "engine/text.h"
#include "tests/data/picture_files.h"
#include "tests/tools/predict_fixture.h"

namespace md::test {
namespace {

class PredictNumbersTest : public PredictTest {
 protected:
  int stored(const std::string& net, const Words& more = {}) const {
    Words words = {path("room.png")};
    words.insert(words.end(), more.begin(), more.end());
    const ToolRun run = predict(words, "", net);
    EXPECT_EQ(run.code, 0) << run.err;
    said_ = run.out;
    return read_depth(path("out/room.png")).pixels[17];
  }
  i64 points() const {
    const std::string ply = bytes_of(path("out/room.ply"));
    const std::size_t at = ply.find("element vertex ") + 15, data = ply.find("end_header\n") + 11;
    const i64 count = std::stoll(ply.substr(at));
    EXPECT_EQ(ply.size(), data + std::size_t(count) * 15) << "as many as the header says";
    return count;
  }
  mutable std::string said_;
};

TEST_F(PredictNumbersTest, TheScaleIsTheDataSets) {
  save_constant_net("kitti", 70, 80, {{"dataset", "kitti"}});
  EXPECT_NEAR(stored("kitti"), 70 * 256, 1);
  EXPECT_TRUE(contains(said_, "256 units per metre, up to 255.99")) << said_;
  EXPECT_FALSE(contains(said_, "cut at")) << said_;
  save_constant_net("plain", 12, 20, {{"dataset", "plain"}, {"depth-scale", 5000}});
  EXPECT_NEAR(stored("plain"), 12 * 5000, 2);
  EXPECT_TRUE(contains(said_, "5000 units per metre, up to 13.107 m")) << said_;
  save_constant_net("nyu", 7, 10);
  EXPECT_NEAR(stored("nyu"), 7000, 1);
  EXPECT_NEAR(stored("nyu", {"--depth-scale", "250"}), 1750, 1);
  EXPECT_TRUE(contains(said_, "250 units per metre")) << said_;
}

TEST_F(PredictNumbersTest, WhatIsCutIsCountedAndNamed) {
  save_constant_net("far", 79, 80);
  EXPECT_EQ(stored("far"), 65535);
  EXPECT_TRUE(contains(said_, "cut at 65.535 m")) << said_;
  EXPECT_TRUE(contains(said_, "2000 pixels of room")) << said_;
  EXPECT_TRUE(contains(said_, "--npy all")) << said_;
  for (int i = 0; i < 4; ++i) write_png(path(cat("in_", i, ".png")), image_);
  const ToolRun run =
      predict({path("in_0.png"), path("in_1.png"), path("in_2.png"), path("in_3.png"), "--npy"}, "", "far");
  EXPECT_TRUE(contains(run.out, "8000 pixels of in_0, in_1, in_2 and 1 more")) << run.out;
  EXPECT_NEAR(read_depth_map(path("out/in_3.npy")).pixels[0], 79, 1e-3);
  EXPECT_EQ(predict({path("room.png")}).out.find("cut at"), std::string::npos);
}

TEST_F(PredictNumbersTest, RangeScaleAndAxesAreSaid) {
  const std::string help = run_tool("mdeval", {"predict", "--help-all"}).out;
  for (const char* word : {"x right, y down, z forward", "65535", "nyu 1000, kitti 256", "metres"})
    EXPECT_TRUE(contains(help, word)) << word;
  const std::string said = predict({path("room.png")}).out;
  for (const char* word : {"x right, y down, z forward", "1000 units per metre", "65.535 m"})
    EXPECT_TRUE(contains(said, word)) << word << " in " << said;
}

TEST_F(PredictNumbersTest, PointsCanBeLimitedAndTurned) {
  const std::vector<float> depth_m = expected_m();
  std::vector<float> sorted = depth_m;
  std::ranges::sort(sorted);
  const float most_m = sorted[700];
  ASSERT_EQ(predict({path("room.png"), "--ply", "--focal", "60", "--max-distance", shortest(most_m)}).code, 0);
  EXPECT_EQ(points(), std::ranges::count_if(depth_m, [&](float d) { return d <= most_m; }));
  ASSERT_EQ(predict({path("room.png"), "--ply", "--focal", "60"}).code, 0);
  EXPECT_EQ(points(), 2000);
  const std::string down = bytes_of(path("out/room.ply"));
  const ToolRun run = predict({path("room.png"), "--ply", "--focal", "60", "--ply-axes", "y-up"});
  EXPECT_TRUE(contains(run.out, "x right, y up, z backward")) << run.out;
  const std::string up = bytes_of(path("out/room.ply"));
  for (std::size_t at_byte = up.find("end_header\n") + 11; at_byte < up.size(); at_byte += 15) {
    EXPECT_EQ(at<float>(up, at_byte), at<float>(down, at_byte));
    EXPECT_EQ(at<float>(up, at_byte + 4), -at<float>(down, at_byte + 4));
    EXPECT_EQ(at<float>(up, at_byte + 8), -at<float>(down, at_byte + 8));
  }
}

TEST_F(PredictNumbersTest, EdgesAreLeftOutWithAndWithoutANumber) {
  const auto kept = [&](const Words& more) {
    Words words = {path("room.png"), "--ply", "--focal", "60"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(predict(words).code, 0);
    return points();
  };
  EXPECT_LT(kept({"--edge", "0.0001"}), 2000);
  EXPECT_EQ(kept({"--edge", "9"}), 2000);
  EXPECT_EQ(kept({"--edge"}), kept({"--edge", "0.1"}));
  EXPECT_EQ(predict({path("room.png"), "--ply", "--focal", "60", "--edge", "-1"}).code, 2);
}

TEST_F(PredictNumbersTest, AFocalLengthInMillimetresIsAskedAbout) {
  for (const char* focal : {"4.25", "12"}) {
    const ToolRun run = predict({path("room.png"), "--ply", "--focal", focal});
    EXPECT_EQ(run.code, 0) << "asked, not refused";
    EXPECT_TRUE(one_line(run, 0, {"--focal", focal, "pixels, not millimetres?", path("room.png")}));
  }
  EXPECT_EQ(predict({path("room.png"), "--ply", "--focal", "13"}).err, "");
  EXPECT_TRUE(refused(predict({path("room.png"), "--focal", "wide"}), 2, {"--focal", "exif"}));
  EXPECT_TRUE(refused(predict({path("room.png"), "--focal", "-5"}), 2, {"--focal"}));
}

TEST_F(PredictNumbersTest, ExifsFocalLengthCountsAlongTheLongerSide) {  // 36 mm of film lie there
  write_jpeg(path("plain.jpg"), image_);
  const std::string jpeg = bytes_of(path("plain.jpg"));
  write("lying.jpg", with_exif(jpeg, exif_block({.focal_35mm = 27})));
  write("upright.jpg", with_exif(jpeg, exif_block({.orientation = 8, .focal_35mm = 54, .big = true})));
  ASSERT_EQ(predict({path("lying.jpg"), path("upright.jpg"), "--ply", "--focal", "exif"}).code, 0);
  const auto expect_focal = [&](const std::string& name, int width, double focal_px) {
    const std::string ply = bytes_of(path("out/" + name + ".ply"));
    const std::size_t first = ply.find("end_header\n") + 11;
    EXPECT_NEAR(at<float>(ply, first) / at<float>(ply, first + 8), -(width - 1) / 2.0 / focal_px, 1e-5) << name;
  };
  expect_focal("lying", 50, 27.0 / 36 * 50);
  expect_focal("upright", 40, 54.0 / 36 * 50);
  const ToolRun run = predict({path("plain.jpg"), path("lying.jpg"), "--ply", "--focal", "exif"});
  EXPECT_EQ(run.code, 65);
  EXPECT_TRUE(contains(run.err, path("plain.jpg") + ": no focal length for 35 mm film")) << run.err;
}

TEST_F(PredictNumbersTest, ExifWithoutAFocalLengthIsNamed) {
  const ToolRun run = predict({path("room.png"), "--ply", "--focal", "exif"});
  EXPECT_TRUE(refused(run, 65, {path("room.png"), "35 mm"}));
}

TEST_F(PredictNumbersTest, ANetworkThatScalesByTheFocalLengthNamesTheFlag) {
  save_net("scaling", {{"focal-scaling", true}, {"dataset", "kitti"}});
  EXPECT_TRUE(refused(predict({path("room.png")}, "", "scaling"), 2, {"--focal is needed", "scaling"}));
  EXPECT_EQ(predict({path("room.png"), "--focal", "721.5"}, "", "scaling").code, 0);
}

}  // namespace
}  // namespace md::test
