// mdeval figure, as a user asks for it: both files of each figure, and numbers in them that can be told beforehand.
// Labels: tool
#include <filesystem>
#include <regex>

#include "data/image_io.h"
#include "tests/data/data_files.h"
#include "tests/tools/suite_folder.h"
#include "tools/cli/file_contents.h"
#include "tools/figure/pair_classes.h"
#include "tools/train/trained_metric.h"

namespace md {
namespace {

using test::refused;
using test::run_tool;
using test::ToolRun;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr int kHeight = 64, kWidth = 96;

/// Frames, and runs without and with MetricDepth.
class FigureTest : public test::SuiteFolder {
 protected:
  static void SetUpTestSuite() {
    ASSERT_NO_FATAL_FAILURE(make_rooms(4, 5));
    ASSERT_EQ(train("without", {}).code, 0);
    ASSERT_EQ(train("with", {"--metric-depth", "--n-within", "5", "--n-across", "0"}).code, 0);
  }
  static ToolRun train(const std::string& run, Words more) {
    more.insert(more.end(), {"--epochs", "1", "--no-report"});
    return train_on_rooms(run, more);
  }
  static ToolRun figure(const std::string& name, Words more) {
    Words words{"figure", name, "--out", path(name)};
    words.insert(words.end(), more.begin(), more.end());
    return run_tool("mdeval", words);
  }
  /// The SVG, whose size is half that of the PNG.
  static std::string drawn(const std::string& name, const Words& more) {
    const ToolRun run = figure(name, more);
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.out, cat("figure ", path(name), ".png, ", path(name), ".svg\n"));
    std::string svg = contents_of(path(name + ".svg"));
    std::smatch size;
    EXPECT_TRUE(std::regex_search(svg, size, std::regex("width=\"(\\d+)\" height=\"(\\d+)\"")));
    const RgbImage png = read_rgb(path(name + ".png"));
    EXPECT_EQ(png.width, 2 * std::stoi(size[1]));
    EXPECT_EQ(png.height, 2 * std::stoi(size[2]));
    return svg;
  }
  /// A grey picture and its depth, depth_mm(row, column), as picture.png and depth.png.
  template <class Depth>
  static Words write_picture(Depth depth_mm) {
    const RgbImage image{kHeight, kWidth, std::vector<std::uint8_t>(kHeight * kWidth * 3, 128)};
    DepthImage depth{kHeight, kWidth, {}};
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) depth.pixels.push_back(std::uint16_t(depth_mm(y, x)));
    }
    write_png(path("picture.png"), image);
    write_png(path("depth.png"), depth);
    return {"--image", path("picture.png"), "--depth", path("depth.png")};
  }
  static std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
  }
};

TEST_F(FigureTest, ARolledMapHasTheSampleAtTheAnchorsPlace) {
  const auto place_mm = [](int y, int x) { return 1000 + 10 * (y * kWidth + x); };
  const std::string svg = drawn("sampling", write_picture(place_mm)), texts = svg.substr(svg.find("<text"));
  const std::regex cell("rolled by (\\d+) down, (\\d+) right</text>\n<text[^>]*>([0-9.]+) m there, D_r = ([0-9.]+) m<");
  int cells = 0;
  for (std::sregex_iterator at(texts.begin(), texts.end(), cell), end; at != end; ++at, ++cells) {
    const int row = (kHeight / 2 - std::stoi((*at)[1]) + kHeight) % kHeight;
    const int column = (kWidth / 2 - std::stoi((*at)[2]) + kWidth) % kWidth;
    const double sample_m = place_mm(row, column) / 1000.0, anchor_m = place_mm(kHeight / 2, kWidth / 2) / 1000.0;
    EXPECT_NEAR(std::stod((*at)[3]), sample_m, 0.005);
    EXPECT_NEAR(std::stod((*at)[4]), std::abs(sample_m - anchor_m), 0.011);
  }
  EXPECT_EQ(cells, 2);
}

TEST_F(FigureTest, SamplesOfOtherImagesAreAtTheSamePlace) {
  const std::string svg = drawn("sampling", {path("with"), "--frames", "1,2,3", "--device", "cpu"});
  EXPECT_NE(svg.find("depth of "), svg.npos);
  EXPECT_NE(svg.find("features of with,"), svg.npos);
  const std::string alone = drawn("sampling", {path("with"), "--frames", "1", "--device", "cpu"});
  EXPECT_EQ(alone.find("depth of "), alone.npos) << "a batch of one has no other images";
}

TEST_F(FigureTest, NegativesAreTheFarHalf) {
  Words words = write_picture([](int, int x) { return x < 64 ? 1000 : 3000; });  // a third is far
  words.insert(words.end(), {path("with"), "--anchor", "0.5,0.2", "--device", "cpu"});
  Words all = words, none = words, other = words;
  all.insert(all.end(), {"--ranges", "0.5-inf", "--margins", "1e6"});
  const std::string svg = drawn("negatives", all);
  EXPECT_NE(svg.find(" pixels (33.3 %)"), svg.npos);
  EXPECT_NE(svg.find(" these (100.0 %)"), svg.npos);
  none.insert(none.end(), {"--ranges", "0.5-inf", "--margins", "1e-9"});
  EXPECT_NE(drawn("negatives", none).find(">0 of "), std::string::npos);
  other.insert(other.end(), {"--ranges", "2.5-inf", "--margins", "1"});
  EXPECT_NE(drawn("negatives", other).find(" pixels (0.0 %)"), std::string::npos);
}

TEST_F(FigureTest, NegativesByTheRatioOfDepths) {
  Words words = write_picture([](int, int x) { return x < 64 ? 1000 : 3000; });  // ln 3 = 1.0986
  words.insert(words.end(), {path("with"), "--anchor", "0.5,0.2", "--device", "cpu", "--depth-difference", "relative",
                             "--positive-below", "0.05", "--proportional-margins"});
  Words all = words, none = words;
  all.insert(all.end(), {"--ranges", "0.1-1.09,1.09-inf", "--margins", "1,4e6"});
  const std::string svg = drawn("negatives", all);
  for (const char* part : {" pixels (33.3 %)", " these (100.0 %)", ">D_r 0.1 to 1.09: margin 1.68 D_r<",
                           ">D_r &gt; 1.09: margin 3.67e+06 D_r<", ">D_r = |ln D_a - ln D_s|, of depths<", ">5e+06<"})
    EXPECT_NE(svg.find(part), svg.npos) << part;  // 4e6 * 1.0986 / 1.09 lies below 5e6, the end of the scale
  none.insert(none.end(), {"--ranges", "1.1-inf", "--margins", "1"});
  EXPECT_NE(drawn("negatives", none).find(" pixels (0.0 %)"), std::string::npos);
}

TEST_F(FigureTest, PairsAreThoseOfTheRunThatHadThem) {
  ASSERT_EQ(train("relative", {"--metric-depth", "--depth-difference", "relative", "--proportional-margins", "--ranges",
                               "0.3-0.6,0.6-inf", "--margins", "2,4", "--positive-below", "0.05"})
                .code,
            0);
  Words words = write_picture([](int, int x) { return x < 64 ? 1000 : 3000; });
  words.insert(words.end(), {path("without"), path("relative"), "--device", "cpu"});
  const std::string svg = drawn("negatives", words);
  EXPECT_EQ(count_of(svg, ">D_r 0.3 to 0.6: margin 4.44 D_r<"), 2U) << "of both networks, to be compared";
  EXPECT_EQ(count_of(svg, ">D_r &gt; 0.6: margin 6.67 D_r<"), 2U);
  const std::string samples = drawn("sampling", words);
  EXPECT_NE(samples.find(": D_r &lt; 0.05: positive<"), samples.npos);
  EXPECT_NE(samples.find(", D_r = 1.10<"), samples.npos) << "ln 3, without a unit";
  words.insert(words.end(), {"--margins", "1,1", "--no-proportional-margins"});
  EXPECT_EQ(count_of(drawn("negatives", words), ">D_r &gt; 0.6: margin 1<"), 2U) << "what is said wins";
}

TEST_F(FigureTest, AdaptivePairsAreThoseOfTheCheckpoint) {
  ASSERT_EQ(train("adaptive", {"--metric-depth", "--thresholds", "adaptive"}).code, 0);
  const MetricDepthOptions metric = trained_metric(load_net(path("adaptive/best.safetensors")).state).value();
  Words words = write_picture([](int, int x) { return 1000 + 20 * x; });
  words.insert(words.end(), {path("adaptive"), "--device", "cpu"});
  const std::string svg = drawn("negatives", words);
  ASSERT_EQ(metric.ranges.size(), 3U);
  for (std::size_t j = 0; j < 2; ++j)
    EXPECT_NE(svg.find(">" + name_of(metric, {PairClass::Kind::range, j}) + "<"), svg.npos) << j;
  EXPECT_EQ(svg.find("D_r 0.5 to 1 m"), svg.npos) << "the options' ranges, which the run did not follow";
}

TEST(PairClasses, AreTheLosss) {
  // Without features, l = 0, a negative gives its margin; all pairs are of depths 1.5 and 2.5 m, and what is far is no
  // pair of it.
  const Tensor features = Tensor::full({1, 2, 2, 3}, 0.F);
  const Tensor depth_m = Tensor::from_host(std::vector<float>{1.5F, 1.5F, 2.5F, 2.5F}, {1, 2, 2});
  using Difference = MetricDepthOptions::Difference;
  for (const Difference difference : {Difference::absolute, Difference::relative}) {
    for (const bool proportional : {false, true}) {
      MetricDepthOptions options{.difference = difference, .proportional_margins = proportional};
      options.ranges = {{0.2F, 0.8F, 3.F}, {0.8F, 2.F, 5.F}};
      const Tensor compared = depth_to_compare(depth_m, difference);
      const float anchor = compared.data()[0], sample = compared.data()[2];
      const PairClass kind = class_of(options, anchor, sample);
      EXPECT_EQ(kind, (PairClass{PairClass::Kind::range, difference == Difference::relative ? 0U : 1U}));
      EXPECT_NEAR(metric_depth(features, depth_m, {{0, 1, 1}}, options).item(),
                  margin_of(options, kind, anchor, sample), 1e-5F);
    }
  }
}

TEST_F(FigureTest, PanelsHaveARowAFrameAndAColumnANetwork) {
  const std::string svg =
      drawn("panels", {path("without"), path("with"), "--names", "a <b,c", "--frames", "2,4,5", "--device", "cpu"});
  EXPECT_EQ(count_of(svg, ">ground truth<"), 3U);
  EXPECT_EQ(count_of(svg, "<text x=\"520\" y=\"30\" text-anchor=\"start\" fill=\"#212529\">a &lt;b</text>"), 1U);
  EXPECT_EQ(count_of(svg, ">c</text>"), 3U);
  write_picture([](int, int) { return 1000; });
  const std::string photo = drawn("panels", {path("with"), "--image", path("picture.png"), "--device", "cpu"});
  EXPECT_EQ(photo.find(">ground truth<"), photo.npos);
}

TEST_F(FigureTest, FeaturesOfACheckpointAndOneOfTheFiles) {
  const std::string svg = drawn("features", {path("with/best.safetensors"), path("without"), "--device", "cpu"});
  EXPECT_EQ(count_of(svg, "distance to the anchor"), 4U) << "two frames, two networks";
  EXPECT_NE(svg.find(">with</text>"), svg.npos) << "a file is called as its run";
  const ToolRun run =
      run_tool("mdeval", {"figure", "features", path("with"), "--out", path("only.svg"), "--device", "cpu"});
  EXPECT_EQ(run.out, cat("figure ", path("only.svg"), "\n"));
  EXPECT_FALSE(fs::exists(path("only.svg.png")));
}

TEST_F(FigureTest, SamplesAreSeriesByTheirKind) {
  ASSERT_EQ(train("across", {"--metric-depth", "--n-within", "0", "--n-across", "2"}).code, 0);
  const std::string svg = drawn("samples", {path("without"), path("with"), path("across")});
  for (const char* part : {">within<", ">across<", ">without<", "within from ", " at 5"})
    EXPECT_NE(svg.find(part), svg.npos) << part;
  EXPECT_EQ(svg.find(">within and across<"), svg.npos);
}

TEST_F(FigureTest, WhatIsWrongIsSaid) {
  write_picture([](int, int) { return 1000; });
  const std::string photo = path("picture.png");
  EXPECT_TRUE(refused(figure("sample", {}), 2, {"NAME", "sample"}));
  EXPECT_TRUE(refused(figure("panels", {}), 2, {"panels", "wants a RUN"}));
  EXPECT_TRUE(refused(figure("sampling", {}), 2, {"--data is required"}));
  EXPECT_TRUE(refused(figure("sampling", {"--image", photo}), 2, {"picture.png has no ground truth"}));
  EXPECT_TRUE(refused(figure("sampling", {"--depth", photo}), 2, {"--depth", "--image"}));
  EXPECT_TRUE(refused(figure("sampling", {"--image", photo, "--depth", path("none.png")}), 66, {"none.png"}));
  EXPECT_TRUE(refused(figure("sampling", {"--image", photo, "--depth", photo}), 65, {"picture.png"}));
  EXPECT_TRUE(refused(figure("panels", {path("with"), "--frames", "6"}), 2, {"--frames", "6", "1 to 5"}));
  EXPECT_TRUE(refused(figure("panels", {path("with"), "--names", "a,b"}), 2, {"--names", "2 of them for 1"}));
  EXPECT_TRUE(refused(figure("panels", {path("data")}), 66, {"data", "not a run"}));
  EXPECT_TRUE(refused(figure("negatives", {path("with"), "--ranges", "1-0.5", "--margins", "1"}), 2, {"1-0.5"}));
  const Words negatives{path("with"), "--device", "cpu"};
  const auto wrong = [&](Words more) {
    more.insert(more.begin(), negatives.begin(), negatives.end());
    return figure("negatives", more);
  };
  EXPECT_TRUE(refused(wrong({"--depth-difference", "ratio"}), 2, {"--depth-difference", "ratio"}));
  EXPECT_TRUE(refused(wrong({"--depth-difference", "relative"}), 2, {"--depth-difference relative", "--ranges"}));
  EXPECT_TRUE(refused(wrong({"--depth-difference", "relative", "--ranges", "1-2", "--margins", "1"}), 2,
                      {"--depth-difference relative", "--positive-below"}));
  EXPECT_TRUE(refused(wrong({"--margins", "1"}), 2, {"--margins", "1 of them for 3"}));
  EXPECT_TRUE(refused(wrong({"--margins", "1,0,1"}), 2, {"--margins", "0"}));
  EXPECT_TRUE(refused(wrong({"--positive-below", "-1"}), 2, {"--positive-below", "-1"}));
  EXPECT_TRUE(refused(figure("samples", {path("data")}), 66, {"data", "not a run"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"figure", "panels", path("with"), "--out", path("nowhere/x.png")}), 73,
                      {"--out", "nowhere"}));
}

}  // namespace
}  // namespace md
