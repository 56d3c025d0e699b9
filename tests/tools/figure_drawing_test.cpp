// What figures are drawn with: pixels of lines, dots and letters, classes of pairs, points of samples.
#include <gtest/gtest.h>

#include <limits>

#include "engine/metric_depth_formula.h"
#include "tests/kit/testing.h"
#include "tools/figure/glyphs.h"
#include "tools/figure/pair_classes.h"
#include "tools/figure/raster.h"
#include "tools/figure/sample_results.h"

namespace md {
namespace {

Rgb pixel(const RgbImage& image, int x, int y) {
  const auto* const at = image.pixels.data() + (std::ptrdiff_t(y) * image.width + x) * 3;
  return {at[0], at[1], at[2]};
}

constexpr Rgb kRed{200, 0, 0}, kBlue{0, 0, 200}, kWhite{255, 255, 255};

TEST(Raster, LinesCoverTheirWidthAndDotsLieAbove) {
  Drawing drawing{.title = "t", .width = 20, .height = 10};
  drawing.lines.push_back({{{2, 5}, {18, 5}}, kRed, 2});
  drawing.dots.push_back({{10, 5}, 3, kBlue});
  const RgbImage image = raster_of(drawing);
  EXPECT_EQ(image.width, 40);
  EXPECT_EQ(image.height, 20);
  for (const int y : {8, 9, 10, 11}) EXPECT_NE(pixel(image, 8, y), kWhite) << y;
  EXPECT_EQ(pixel(image, 8, 9), kRed);
  EXPECT_EQ(pixel(image, 8, 5), kWhite);
  EXPECT_EQ(pixel(image, 8, 14), kWhite);
  EXPECT_EQ(pixel(image, 20, 10), kBlue);
}

TEST(Raster, DashesLeaveGaps) {
  Drawing drawing{.title = "t", .width = 40, .height = 4};
  drawing.lines.push_back({{{0, 2}, {40, 2}}, kRed, 1, true});
  const RgbImage image = raster_of(drawing);
  EXPECT_EQ(pixel(image, 3, 3), pixel(image, 17, 3)) << "a period of 14 pixels";
  EXPECT_NE(pixel(image, 3, 3), kWhite);
  EXPECT_EQ(pixel(image, 11, 3), kWhite);
}

TEST(Raster, PicturesKeepTheirPixels) {
  Drawing drawing{.title = "t", .width = 4, .height = 2};
  drawing.pictures.push_back({{0, 0}, 4, 2, RgbImage{1, 2, {200, 0, 0, 0, 0, 200}}, "two pixels"});
  const RgbImage image = raster_of(drawing);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 8; ++x) EXPECT_EQ(pixel(image, x, y), x < 4 ? kRed : kBlue);
  }
}

/// The box around what is not white.
std::array<int, 4> ink(const RgbImage& image) {
  std::array<int, 4> box{image.width, image.height, -1, -1};
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (pixel(image, x, y) == kWhite) continue;
      box = {std::min(box[0], x), std::min(box[1], y), std::max(box[2], x), std::max(box[3], y)};
    }
  }
  return box;
}

TEST(Raster, WordsStandOnTheirLineAndTurn) {
  Drawing drawing{.title = "t", .width = 60, .height = 60};
  drawing.texts.push_back({{30, 40}, "HIH", FigureText::Align::middle});
  const std::array<int, 4> flat = ink(raster_of(drawing));
  EXPECT_NEAR(flat[3], 79, 1) << "no letter of it hangs below the line";
  EXPECT_NEAR(flat[0] + flat[2], 120, 3) << "centred";
  EXPECT_NEAR(flat[2] - flat[0], 2 * text_width("HIH"), 8);
  drawing.texts.front().upwards = true;
  const std::array<int, 4> turned = ink(raster_of(drawing));
  EXPECT_NEAR(turned[3] - turned[1], flat[2] - flat[0], 1);
  EXPECT_LT(turned[2], 61) << "the line is to the right of the letters";
}

TEST(Glyphs, CharactersOfUtf8) {
  EXPECT_EQ(characters_of("a\u00e9\u2212b"), (std::vector<char32_t>{U'a', U'?', U'?', U'b'}));
  EXPECT_EQ(characters_of("\xff z"), (std::vector<char32_t>{U'?', U' ', U'z'}));
  EXPECT_GT(text_width("WW"), text_width("ii"));
  EXPECT_EQ(fitted("short", 100), "short");
  const std::string cut = fitted("a name that is much longer than its cell", 100);
  EXPECT_TRUE(cut.ends_with("...")) << cut;
  EXPECT_LE(text_width(cut), 100);
}

TEST(Drawing, SvgIsEscaped) {
  Drawing drawing{.title = "a < b", .width = 10, .height = 10};
  drawing.texts.push_back({{1, 1}, "\"x\" & y"});
  const std::string svg = svg_of(drawing);
  EXPECT_NE(svg.find("<title>a &lt; b</title>"), svg.npos);
  EXPECT_NE(svg.find("&quot;x&quot; &amp; y"), svg.npos);
}

TEST(PairClasses, AreThoseOfTheLoss) {
  MetricDepthOptions options;
  options.positive_below_m = 0.3F;
  options.ranges = {
      {0.2F, 1.F, 3.F}, {0.8F, 2.F, 6.F}, {2.5F, std::numeric_limits<float>::infinity(), 8.F}};  // overlaps
  for (int i = 0; i <= 400; ++i) {
    const float sample_m = 0.01F * float(i);
    const PairClass pair = class_of(options, 1.F, sample_m);
    const float kind = kind_of_pair(measured_or_nan(1.F), measured_or_nan(sample_m), options.positive_below_m,
                                    options.ranges.data(), int(options.ranges.size()));
    const float expected = pair.kind == PairClass::Kind::range      ? options.ranges[pair.range].margin
                           : pair.kind == PairClass::Kind::positive ? kPositivePair
                                                                    : kNoPair;
    EXPECT_EQ(kind, expected) << sample_m;
  }
  EXPECT_EQ(class_of(options, 0.F, 1.F).kind, PairClass::Kind::unmeasured);
}

TEST(SamplePoints, AreMeansWithTheirSpread) {
  const std::vector<SamplePoint> points = sample_points({{10, 0.2}, {5, 0.5}, {10, 0.4}});
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].samples, 5);
  EXPECT_EQ(points[0].low, points[0].high);
  EXPECT_DOUBLE_EQ(points[1].mean, 0.3);
  EXPECT_EQ(points[1].low, 0.2);
  EXPECT_EQ(points[1].high, 0.4);
}

}  // namespace
}  // namespace md
