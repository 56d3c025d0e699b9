// What the report's page is made with: templates, embedded pictures, colours that can be told apart.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/check.h"
#include "tests/data/test_images.h"
#include "tools/report/base64.h"
#include "tools/report/inline_picture.h"
#include "tools/report/scale_colours.h"
#include "tools/report/template.h"

namespace md {
namespace {

using nlohmann::json;

TEST(Template, EscapesUnlessItIsToldNotTo) {
  const json values{{"name", "<a href=\"x\">&'"}};
  EXPECT_EQ(fill_template("{{name}}|{{{name}}}", values), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;|<a href=\"x\">&'");
}

TEST(Template, SectionsRepeatAndLookOutwards) {
  const json values{{"unit", "m"}, {"rows", {{{"v", 1}}, {{"v", 2.5}, {"unit", "px"}}}}};
  EXPECT_EQ(fill_template("{{#rows}}[{{v}} {{unit}}]{{/rows}}", values), "[1 m][2.5 px]");
  EXPECT_EQ(fill_template("{{#list}}{{.}},{{/list}}", {{"list", {"a", "b"}}}), "a,b,");
}

TEST(Template, WhatIsNotThereIsLeftOut) {
  for (const json& nothing : {json(nullptr), json(false), json(""), json::array(), json::object()}) {
    EXPECT_EQ(fill_template("{{#x}}yes{{/x}}{{^x}}no{{/x}}", {{"x", nothing}}), "no") << nothing;
  }
  EXPECT_EQ(fill_template("{{#x}}yes{{/x}}{{^x}}no{{/x}}", json::object()), "no");
  EXPECT_EQ(fill_template("{{#x}}yes{{/x}}{{^x}}no{{/x}}", {{"x", 0}}), "yes");
  EXPECT_EQ(fill_template("a{{#x}}{{#y}}{{unknown}}{{/y}}{{/x}}b", json::object()), "ab");
}

TEST(Template, MistakesAreNamed) {
  for (const char* wrong : {"{{#x}}", "{{/x}}", "{{#x}}{{/y}}", "{{x", "{{unknown}}"})
    EXPECT_THROW(fill_template(wrong, {{"x", true}}), Error) << wrong;
}

TEST(Base64, IsThatOfTheRfc) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xff\xfe", "//4="}};
  for (const auto& [bytes, text] : vectors) EXPECT_EQ(base64(bytes), text);
}

TEST(InlinePicture, FitsIntoItsBudget) {
  const RgbImage image = test::test_image(240, 320, 1);
  for (const std::size_t bytes : {20'000U, 4'000U}) {
    const std::string address = data_address(image, {.width = 320, .bytes = bytes});
    EXPECT_TRUE(address.starts_with("data:image/")) << address.substr(0, 30);
    EXPECT_LE(address.size(), bytes);
    EXPECT_GE(address.size(), bytes / 8) << "no smaller than it must be";
  }
}

/// Relative luminance, as WCAG 2 has it.
double luminance(const Rgb& colour) {
  const auto linear = [](std::uint8_t c) {
    const double s = c / 255.0;
    return s <= 0.03928 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

TEST(ScaleColours, SurviveColourBlindness) {
  // Depth is told by brightness alone: it grows all the way.
  double before = -1;
  for (int i = 0; i <= 50; ++i) {
    const double now = luminance(colour_of({ColourScale::Kind::depth, 0, 50}, i));
    EXPECT_GT(now, before) << i;
    before = now;
  }
  // Errors are darker the larger they are, to either side, and the sides are blue and not blue.
  const ColourScale error{ColourScale::Kind::error, -1, 1};
  for (int i = 1; i <= 10; ++i) {
    EXPECT_LT(luminance(colour_of(error, i / 10.0)), luminance(colour_of(error, (i - 1) / 10.0))) << i;
    EXPECT_LT(luminance(colour_of(error, -i / 10.0)), luminance(colour_of(error, (1 - i) / 10.0))) << i;
    EXPECT_GT(colour_of(error, -i / 10.0)[2], colour_of(error, -i / 10.0)[0]);
    EXPECT_LT(colour_of(error, i / 10.0)[2], colour_of(error, i / 10.0)[0]);
  }
}

TEST(ScaleColours, GreyIsNoMeasurement) {
  const Rgb grey{128, 128, 128};
  const Tensor map = Tensor::from_host(std::vector<float>{0.F, std::nanf(""), 5.F}, {1, 3});
  const RgbImage image = picture_of({ColourScale::Kind::depth, 0, 5}, map);
  for (int pixel = 0; pixel < 2; ++pixel) {
    for (int c = 0; c < 3; ++c) EXPECT_EQ(image.pixels[std::size_t(pixel * 3 + c)], grey[std::size_t(c)]);
  }
  EXPECT_EQ(image.pixels[6], 253);
  EXPECT_EQ(legend_of({ColourScale::Kind::depth, 0.5, 4})["high"], "4");
}

}  // namespace
}  // namespace md
