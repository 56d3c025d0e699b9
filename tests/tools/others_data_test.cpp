// Others' data sets in the programs: what the options for them do to a run, and that a run on any of them goes through
// training, checkpoint and evaluation.
// Labels: tool
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/run/checkpoint.h"
#include "tools/train/train_command.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class OthersDataTest : public DataFolder {
 protected:
  /// Four frames FOLDER/0.png, ... with a list; `spoil` changes their depth.
  void frames(const std::string& folder, void (*spoil)(DepthImage&), int image_factor = 1) const {
    fs::create_directories(path(folder));
    std::string lines;
    for (int i = 0; i < 4; ++i) {
      write_png(path(cat(folder, "/", i, ".png")), test_image(64 * image_factor, 96 * image_factor, i));
      DepthImage depth = test_depth(64, 96, i);
      spoil(depth);
      write_png(path(cat(folder, "/", i, "_depth.png")), depth);
      lines += cat(i, ".png ", i, "_depth.png 500\n");
    }
    write(folder + "/list.txt", lines);
  }
  ToolRun train(const std::string& folder, const Words& more) const {
    Words all = {"--data",      path(folder), "--list",   "list.txt", "--out",    path(folder + "_run"),
                 "--height",    "64",         "--width",  "64",       "--batch",  "2",
                 "--lr",        "1e-3",       "--device", "cpu",      "--epochs", "1",
                 "--eval-list", "list.txt"};
    all.insert(all.end(), more.begin(), more.end());
    return run_tool("mdtrain", all, {.limit_s = 120});
  }
  /// The losses of the run on `folder`, and the last evaluation.
  std::string numbers(const std::string& folder) const {
    std::istringstream lines(bytes_of(path(folder + "_run/metrics.jsonl")));
    std::string text;
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json.contains("loss")) text += json["loss"].dump() + " ";
      if (json.contains("eval")) text += json["eval"]["rmse"].dump() + " " + json["eval"]["pixels"].dump();
    }
    return text;
  }
};

void leave(DepthImage&) {}
void hole(DepthImage& depth) { std::fill_n(depth.pixels.begin(), 64 * 24, std::uint16_t{0}); }
void far_hole(DepthImage& depth) { std::fill_n(depth.pixels.begin(), 64 * 24, std::uint16_t{65'535}); }

TEST_F(OthersDataTest, AnyMarkForNoMeasurementTrainsAsZeroDoes) {
  frames("zero", hole);
  frames("mark", far_hole);
  ASSERT_EQ(train("zero", {}).code, 0);
  ASSERT_EQ(train("mark", {"--invalid-value", "65535"}).code, 0);
  EXPECT_EQ(numbers("mark"), numbers("zero"));
  fs::remove_all(path("mark_run"));
  ASSERT_EQ(train("mark", {"--valid-below", "65.5"}).code, 0);
  EXPECT_EQ(numbers("mark"), numbers("zero"));
  // The checkpoint knows: what is evaluated with it leaves the same out, and says so.
  const ToolRun eval = run_tool("mdeval", {path("mark_run/last.safetensors"), "--data", path("mark"), "--list",
                                           "list.txt", "--protocol", "plain"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find(" valid_below_m=65.5\n"), eval.out.npos) << eval.out;
  const ToolRun resumed = run_tool("mdtrain", {"--resume", path("mark_run"), "--valid-below", "60"});
  EXPECT_TRUE(refused(resumed, 2, {"valid-below 65.5 -> 60"}));
}

TEST_F(OthersDataTest, ImagesOfAnotherSizeTrainAndEvaluate) {
  frames("large", leave, 3);
  const ToolRun run = train("large", {"--dataset", "plain", "--depth-scale", "1000"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("looked at: 288x192 to 96x64"), run.err.npos) << run.err;
  const ToolRun eval = run_tool("mdeval", {path("large_run/last.safetensors"), "--data", path("large"), "--list",
                                           "list.txt", "--protocol", "plain"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find("4 images"), eval.out.npos) << eval.out;
}

TEST_F(OthersDataTest, ARecipeBringsItsUnitsThroughARun) {
  frames("sun", [](DepthImage& depth) {
    for (std::uint16_t& value : depth.pixels) value = std::uint16_t(value << 3 | value >> 13);
  });
  frames("mm", leave);
  ASSERT_EQ(train("mm", {"--protocol", "plain"}).code, 0);
  ASSERT_EQ(train("sun", {"--dataset", "sunrgbd"}).code, 0);
  const std::string mm = numbers("mm"), sun = numbers("sun");
  EXPECT_EQ(sun.substr(0, sun.find(' ')), mm.substr(0, mm.find(' '))) << "the same first loss";
  const ToolRun eval = run_tool(
      "mdeval", {path("sun_run/last.safetensors"), "--data", path("sun"), "--list", "list.txt", "--protocol", "plain"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.out.find("dataset=sunrgbd min_m=0.001 cap_m=8 "), eval.out.npos) << eval.out;
}

TEST(OthersDataOptions, SamplesHaveTheSizeThatFitsUnlessTheUserSaysOne) {
  const auto size = [](const std::string& words) {
    CLI::App app;
    TrainOptions options;
    add_train_options(app, options);
    app.parse("--data d --list l --out o " + words);
    resolve(app, options);
    return cat(options.augment.height, "x", options.augment.width);
  };
  EXPECT_EQ(size("--dataset vkitti2"), "352x704");
  EXPECT_EQ(size("--dataset sunrgbd"), "416x544");
  EXPECT_EQ(size("--dataset sunrgbd --height 320 --width 320"), "320x320");
  EXPECT_EQ(size("--dataset tum"), "480x640");
  EXPECT_EQ(size("--dataset nyu"), "480x640");
  EXPECT_EQ(size("--dataset kitti --augment bts"), "352x704");
}

}  // namespace
}  // namespace md::test
