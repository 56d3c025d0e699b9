// What mdtrain shows to a person: a line for each epoch and where everything is, and nothing of the kind in a file.
// Labels: tool
#include <filesystem>
#include <regex>

#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/train/epoch_lines.h"

namespace md {
namespace {

using test::run_tool;
using test::ToolRun;
namespace fs = std::filesystem;

StepLosses step_of(double silog, double metric_depth) {
  StepLosses losses;
  losses.total = silog + metric_depth;
  losses.parts = {{"silog", silog}, {"metric_depth", metric_depth}};
  return losses;
}

TEST(EpochMeans, AreOfTheStepsThatUpdated) {
  EpochMeans means;
  EXPECT_TRUE(means.empty());
  means.add(step_of(1, 2));
  means.add(step_of(2, 4));
  StepLosses skipped = step_of(100, 100);
  skipped.not_finite = "loss";
  means.add(skipped);
  EXPECT_EQ(means.text(), "loss 4.500 = silog 1.500 + metric_depth 3.000");
  EpochMeans one;
  StepLosses alone;
  alone.total = 2;
  alone.parts = {{"silog", 2}};
  one.add(alone);
  EXPECT_EQ(one.text(), "loss 2.000");
}

TEST(EpochLine, SaysMeasuresAndTimeLeft) {
  EpochMeans means;
  means.add(step_of(1, 2));
  Metrics measures;
  measures.abs_rel = 0.25;
  measures.d1 = 0.5;
  EXPECT_EQ(epoch_line(3, 20, means, &measures, 754),
            "epoch  3/20  loss 3.000 = silog 1.000 + metric_depth 2.000  AbsRel 0.250  d1 0.500  12:34 left");
  EXPECT_EQ(epoch_line(2, 2, means, nullptr, 0), "epoch 2/2  loss 3.000 = silog 1.000 + metric_depth 2.000");
  EXPECT_EQ(duration_text(59.4), "59 s");
  EXPECT_EQ(duration_text(3599), "59:59");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

class TerminalTest : public testing::Test {
 protected:
  TerminalTest() {
    fs::remove_all(folder_);
    EXPECT_EQ(run_tool("mdsynth", {"nyu", "--out", path("data"), "--frames", "4", "--test-frames", "2", "--seed", "1",
                                   "--height", "64", "--width", "96"})
                  .code,
              0);
  }
  ~TerminalTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  ToolRun train(const std::string& run, const test::ToolPlace& place) const {
    return run_tool(
        "mdtrain",
        {"--data", path("data"), "--list", "nyu_train.txt", "--eval-list", "nyu_test.txt", "--out", path(run),
         "--height", "64", "--width", "64", "--batch", "2", "--epochs", "2", "--device", "cpu", "--metric-depth"},
        place);
  }

 private:
  const fs::path folder_ = fs::path(testing::TempDir()) / cat("terminal_test_", ::getpid());
};

TEST_F(TerminalTest, AnEpochIsALineAndTheReportTheLast) {
  const ToolRun run = train("run", {.screen = true});
  ASSERT_EQ(run.code, 0) << run.out;
  const std::regex first(
      "epoch 1/2  loss [0-9.]+ = silog [0-9.]+ \\+ metric_depth [0-9.]+  AbsRel [0-9.]+  d1 [0-9.]+  [0-9]+ s "
      "left\r\n");
  EXPECT_TRUE(std::regex_search(run.out, first)) << run.out;
  EXPECT_TRUE(std::regex_search(run.out, std::regex("epoch 2/2  loss [^\r]*  d1 [0-9.]+\r\n"))) << run.out;
  EXPECT_TRUE(std::regex_search(
      run.out, std::regex("best after step [24]: AbsRel [0-9.]+, d1 [0-9.]+; network [^\r]*best.safetensors\r\n")))
      << run.out;
  EXPECT_TRUE(run.out.ends_with(cat("report ", path("run/report.html"), "\r\n"))) << run.out;
}

TEST_F(TerminalTest, FilesGetNothingOfTheKind) {
  for (const bool terminal : {false, true}) {
    const ToolRun run = train(terminal ? "watched" : "quiet", {.terminal = terminal});
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.err.find("epoch 1/2"), run.err.npos) << run.err;
    EXPECT_EQ(run.out.find("best after"), run.out.npos) << run.out;
    EXPECT_EQ(run.out.find('\r'), run.out.npos);
  }
}

}  // namespace
}  // namespace md
