// mdeval predict --stdin-frames: a video through a pipe, as files and as a stream.
// Labels: tool
#include <gtest/gtest.h>

#include <sstream>

#include "data/depth_map.h"
#include "tests/tools/predict_fixture.h"
#include "tools/eval/yuv4mpeg.h"

namespace md::test {
namespace {

class PredictVideoTest : public PredictTest {
 protected:
  /// Frames of 40x50 in 4:4:4, each another picture.
  static std::string stream(int frames) {
    std::string bytes = yuv4mpeg_444_header({.height = 40, .width = 50, .rate = "30000:1001"});
    for (int i = 0; i < frames; ++i) bytes += yuv4mpeg_444_frame(test_image(40, 50, 10 * i));
    return bytes;
  }
  static std::vector<RgbImage> frames_of(const std::string& bytes) {
    std::istringstream in(bytes);
    Yuv4MpegReader reader(in, "stream");
    std::vector<RgbImage> frames;
    for (RgbImage frame; reader.next(frame);) frames.push_back(frame);
    return frames;
  }
  ToolRun predict_video(const std::string& bytes, const Words& more = {}) const {
    Words words = {"--stdin-frames", "yuv4mpeg"};
    words.insert(words.end(), more.begin(), more.end());
    return predict(words, write("video.y4m", bytes));
  }
};

TEST_F(PredictVideoTest, EveryFrameGetsItsFiles) {
  const ToolRun run = predict_video(stream(3), {"--npy"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("3 frames in " + path("out"))) << run.out;
  EXPECT_EQ(written().size(), 9U);
  const std::vector<RgbImage> frames = frames_of(stream(3));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(read_depth_map(path(cat("out/frame_00000", i + 1, ".npy"))).pixels, expected_m(frames[std::size_t(i)]));
}

TEST_F(PredictVideoTest, AStreamComesOutAsOneWentIn) {
  ASSERT_EQ(predict_video(stream(2)).code, 0);
  const Words args = {"predict", path("net.safetensors"), "--stdin-frames", "yuv4mpeg", "--out", "-", "--device",
                      "cpu"};
  const ToolRun run = run_tool("mdeval", args, {.input = path("video.y4m")});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("YUV4MPEG2 W50 H40 F30000:1001 Ip A1:1 C444")) << run.out.substr(0, 80);
  const std::vector<RgbImage> frames = frames_of(run.out);
  ASSERT_EQ(frames.size(), 2U);
  for (int i = 0; i < 2; ++i) {
    const RgbImage file = read_rgb(path(cat("out/frame_00000", i + 1, "_color.png")));
    for (std::size_t k = 0; k < file.pixels.size(); ++k)
      ASSERT_NEAR(frames[std::size_t(i)].pixels[k], file.pixels[k], 3);
  }
  EXPECT_TRUE(contains(run.err, "2 frames in stdout")) << "the last lines do not go into the stream";
}

TEST_F(PredictVideoTest, AStreamThatEndsEarlyIsNamedAndTheRestDone) {
  const std::string whole = stream(3);
  const std::size_t frame = 6 + 40 * 50 * 3;
  for (const std::size_t missing : {std::size_t{1}, std::size_t{2500}, frame - 3}) {
    std::filesystem::remove_all(path("out"));
    const ToolRun run = predict_video(whole.substr(0, whole.size() - missing), {"--kitti-benchmark"});
    EXPECT_EQ(run.code, 65);
    EXPECT_EQ(written(), (Words{"frame_000001.png", "frame_000002.png"}));
    EXPECT_TRUE(contains(run.err, "stdin: ends inside ")) << run.err;
  }
  std::string damaged = whole;
  damaged.replace(damaged.size() - frame, 5, "SHOOT");
  const ToolRun run = predict_video(damaged);
  EXPECT_EQ(run.code, 65);
  EXPECT_TRUE(contains(run.err, "'SHOOT' where frame 3 should begin")) << run.err;
}

TEST_F(PredictVideoTest, WhatIsNoStreamIsRefused) {
  EXPECT_TRUE(refused(predict_video(""), 65, {"stdin: ", "nothing"}));
  EXPECT_TRUE(refused(predict_video("RIFF    AVI "), 65, {"stdin: ", "yuv4mpegpipe"}));
  EXPECT_TRUE(refused(predict_video("YUV4MPEG2 W50 H40 C420p10\n"), 65, {"'420p10'", "yuv420p"}));
  EXPECT_TRUE(refused(predict_video("YUV4MPEG2 W50 H40 C444alpha\n"), 65, {"'444alpha'"}));
  EXPECT_TRUE(refused(predict_video(yuv4mpeg_444_header({.height = 40, .width = 50})), 65, {"no frame"}));
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(PredictVideoTest, AsksForWhatMakesSense) {
  EXPECT_TRUE(refused(predict_video(stream(1), {"--ply", "--focal", "exif"}), 2, {"--focal exif"}));
  EXPECT_TRUE(refused(predict_video(stream(1), {path("room.png")}), 2, {"--stdin-frames"}));
  EXPECT_TRUE(refused(
      run_tool("mdeval", {"predict", path("net.safetensors"), "--stdin-frames", "yuv4mpeg", "--out", "-", "--npy"}), 2,
      {"--out -", "--npy"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"predict", path("net.safetensors"), path("room.png"), "--out", "-"}), 2,
                      {"--out -", "--stdin-frames"}));
}

TEST_F(PredictVideoTest, InterlacedFramesAreRemarkedOn) {
  std::string bytes = stream(1);
  bytes.replace(bytes.find(" Ip"), 3, " It");
  const ToolRun run = predict_video(bytes);
  EXPECT_TRUE(one_line(run, 0, {"interlaced", "yadif"}));
}

TEST_F(PredictVideoTest, FramesThatAreThereAreSkipped) {
  ASSERT_EQ(predict_video(stream(2)).code, 0);
  const ToolRun run = predict_video(stream(3), {"--skip-existing"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("1 frame in ")) << run.out;
  EXPECT_TRUE(contains(run.out, "2 frames, complete already")) << run.out;
  EXPECT_TRUE(is_written("frame_000003.png"));
}

}  // namespace
}  // namespace md::test
