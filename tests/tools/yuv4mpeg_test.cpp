// YUV4MPEG2: every way of storing colours gives the picture that was put in, at the places where it was put.
#include "tools/eval/yuv4mpeg.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/data/test_images.h"
#include "tests/kit/caught.h"

namespace md::test {
namespace {

std::vector<RgbImage> read_all(const std::string& bytes) {
  std::istringstream in(bytes);
  Yuv4MpegReader reader(in, "video");
  std::vector<RgbImage> frames;
  for (RgbImage frame; reader.next(frame);) frames.push_back(frame);
  return frames;
}

/// A frame of one colour, in numbers of video.
std::string flat(const std::string& header, std::size_t luma, std::size_t chroma, int y, int cb, int cr) {
  return header + "\nFRAME\n" + std::string(luma, char(y)) + std::string(chroma, char(cb)) +
         std::string(chroma, char(cr));
}

void expect_colour(const std::string& bytes, int red, int green, int blue) {
  const std::vector<RgbImage> frames = read_all(bytes);
  ASSERT_EQ(frames.size(), 1U);
  for (std::size_t i = 0; i < frames[0].pixels.size(); i += 3) {
    EXPECT_NEAR(frames[0].pixels[i], red, 1);
    EXPECT_NEAR(frames[0].pixels[i + 1], green, 1);
    EXPECT_NEAR(frames[0].pixels[i + 2], blue, 1);
  }
}

TEST(Yuv4Mpeg, KnowsTheNumbersOfVideo) {  // ITU-R BT.601 and BT.709: 75 % colour bars, white and black
  expect_colour(flat("YUV4MPEG2 W4 H2 C444", 8, 8, 235, 128, 128), 255, 255, 255);
  expect_colour(flat("YUV4MPEG2 W4 H2 C444", 8, 8, 16, 128, 128), 0, 0, 0);
  expect_colour(flat("YUV4MPEG2 W4 H2 C444", 8, 8, 81, 90, 240), 255, 0, 0);
  expect_colour(flat("YUV4MPEG2 W4 H2 C444", 8, 8, 145, 54, 34), 0, 255, 0);
  expect_colour(flat("YUV4MPEG2 W4 H2 C444 XCOLORRANGE=FULL", 8, 8, 76, 85, 255), 254, 0, 0);
  expect_colour(flat("YUV4MPEG2 W4 H2 C444 XCOLORRANGE=LIMITED", 8, 8, 41, 240, 110), 0, 0, 255);
  expect_colour(flat("YUV4MPEG2 W1280 H1 C444", 1280, 1280, 63, 102, 240), 255, 0, 0);  // HD: BT.709
  expect_colour(flat("YUV4MPEG2 W2 H720 C444", 1440, 1440, 173, 42, 26), 0, 255, 0);
  expect_colour(flat("YUV4MPEG2 W4 H2 Cmono", 8, 0, 126, 0, 0), 128, 128, 128);
  expect_colour(flat("YUV4MPEG2 W4 H2 Cmono XCOLORRANGE=FULL", 8, 0, 126, 0, 0), 126, 126, 126);
}

TEST(Yuv4Mpeg, ChromaBelongsToThePixelsThatShareIt) {
  struct Case {
    const char* name;
    int down_x, down_y;
  };
  for (const Case& c : {Case{"420jpeg", 2, 2}, Case{"420mpeg2", 2, 2}, Case{"420paldv", 2, 2}, Case{"411", 4, 1},
                        Case{"422", 2, 1}, Case{"444", 1, 1}}) {
    const int height = 5, width = 7, ch = (height + c.down_y - 1) / c.down_y, cw = (width + c.down_x - 1) / c.down_x;
    std::string planes(35, char(128));
    for (int plane = 0; plane < 2; ++plane) {
      for (int i = 0; i < ch * cw; ++i) planes += char(100 + 2 * i);
    }
    const std::vector<RgbImage> frames = read_all(cat("YUV4MPEG2 W7 H5 C", c.name, "\nFRAME\n", planes));
    ASSERT_EQ(frames.size(), 1U) << c.name;
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const double chroma = 100 + 2 * (y / c.down_y * cw + x / c.down_x) - 128, v = 112 * 255 / 219.0;
        EXPECT_NEAR(frames[0].pixels[std::size_t((y * width + x) * 3)], v + 1.402 * 255 / 224 * chroma, 1) << c.name;
        EXPECT_NEAR(frames[0].pixels[std::size_t((y * width + x) * 3 + 2)], v + 1.772 * 255 / 224 * chroma, 1)
            << c.name;
      }
    }
  }
}

TEST(Yuv4Mpeg, WhatIsWrittenIsReadAgain) {
  for (const auto& [height, width] : {std::pair{9, 14}, std::pair{3, 1100}}) {
    const RgbImage image = test_image(height, width);
    const std::string bytes =
        yuv4mpeg_444_header({.height = height, .width = width}) + yuv4mpeg_444_frame(image) + yuv4mpeg_444_frame(image);
    const std::vector<RgbImage> frames = read_all(bytes);
    ASSERT_EQ(frames.size(), 2U);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) ASSERT_NEAR(frames[1].pixels[i], image.pixels[i], 3);
  }
}

TEST(Yuv4Mpeg, HeadersSayWhatTheySay) {
  std::istringstream in("YUV4MPEG2 W640 H480 F24000:1001 It A10:11 C422 XYSCSS=422 XNOTE\n");
  const Yuv4MpegReader reader(in, "video");
  EXPECT_EQ(reader.header().width, 640);
  EXPECT_EQ(reader.header().height, 480);
  EXPECT_EQ(reader.header().rate, "24000:1001");
  EXPECT_EQ(reader.header().aspect, "10:11");
  EXPECT_TRUE(reader.header().interlaced);
  std::istringstream bare("YUV4MPEG2 H2 W2\n");  // 4:2:0 where nothing is said
  EXPECT_EQ(Yuv4MpegReader(bare, "video").header().chroma_down_y, 2);
}

TEST(Yuv4Mpeg, FramesMayHaveParameters) {
  EXPECT_EQ(read_all("YUV4MPEG2 W1 H1 Cmono\nFRAME Ip XA=b\n1FRAME\n2").size(), 2U);
}

TEST(Yuv4Mpeg, RefusesInOneLine) {
  const auto refuses = [](const std::string& bytes, const std::string& part) {
    return fails([&] { read_all(bytes); }, ErrorKind::bad_data, part);
  };
  EXPECT_TRUE(refuses("", "video: nothing"));
  EXPECT_TRUE(refuses("YUV4MPEG W1 H1\n", "no YUV4MPEG2"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W1 H1", "ends inside the first line"));
  EXPECT_TRUE(refuses("YUV4MPEG2 " + std::string(2000, 'X'), "no end of the first line"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W0 H5\n", "0x5"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W5\n", "5x0"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W-5 H5\n", "frames of"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W99999999999 H5\n", "frames of"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W40000 H40000 Cmono\n", "40000x40000"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W1 H1 Cmono16\n", "'mono16'"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W1 H1 C\n", "''"));
  EXPECT_TRUE(
      refuses("YUV4MPEG2 W1 H1 C" + std::string(900, 'x') + "\n", "'" + std::string(20, 'x') + "' are not read"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W2 H1 Cmono\nFRAME\n12FRAME\n1", "frame 2, after 1 of its 2 bytes"));
  EXPECT_TRUE(refuses("YUV4MPEG2 W2 H1 Cmono\nFRAME\n12\nFRAME\n12", "where frame 2 should begin"));
}

}  // namespace
}  // namespace md::test
