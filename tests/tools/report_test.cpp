// mdeval report, mdeval --report and the report of a training run, as a user asks for them. How the page looks in a
// browser: report_browser_test.py.
// Labels: tool
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "tests/data/data_files.h"
#include "tests/tools/suite_folder.h"
#include "tools/cli/file_contents.h"
#include "tools/report/run_history.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

using test::refused;
using test::run_tool;
using test::ToolRun;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Six frames to train on and five to test on, in a folder of the suite's own, and two short runs.
class ReportTest : public test::SuiteFolder {
 protected:
  static void SetUpTestSuite() {
    ASSERT_NO_FATAL_FAILURE(make_rooms(6, 5));
    ASSERT_EQ(train("plain", {"--no-report"}).code, 0);
    ASSERT_EQ(train("metric", {"--metric-depth", "--report-every", "1"}).code, 0);
  }
  static ToolRun train(const std::string& run, Words more) {
    more.insert(more.end(), {"--epochs", "2"});
    return train_on_rooms(run, more);
  }
  static std::string text_of(const std::string& name) { return contents_of(path(name)); }
};

TEST_F(ReportTest, ARunHasOneInTheEnd) {
  EXPECT_FALSE(fs::exists(path("plain/report.html")));
  const ToolRun run = train("third", {});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.out.ends_with(cat("report ", path("third/report.html"), "\n"))) << run.out;
  const std::string page = text_of("third/report.html");
  for (const char* part :
       {"<h2>Measures</h2>", "<h2>Learning curves</h2>", "<h2>Frames</h2>", "<h2>Where it is wrong</h2>",
        "<h2>Features</h2>", "<h2>How it was made</h2>", "eval-list = ", "mdtrain --config "})
    EXPECT_NE(page.find(part), page.npos) << part;
}

TEST_F(ReportTest, NeedsNothingBesideIt) {
  const std::string page = text_of("metric/report.html");
  for (const std::string attribute : {" src=\"", " href=\""}) {
    ASSERT_NE(page.find(attribute), page.npos);
    for (std::size_t at = page.find(attribute); at != page.npos; at = page.find(attribute, at + 1)) {
      const std::string where = page.substr(at + attribute.size(), 60);
      EXPECT_TRUE(where.starts_with("data:") || where.starts_with("#")) << where;
    }
  }
  EXPECT_EQ(page.find("{{"), page.npos) << "every tag of the template is filled";
}

TEST_F(ReportTest, FortyFramesAreAtMostThreeMegabytes) {
  ASSERT_EQ(run_tool("mdsynth", {"nyu", "--out", path("many"), "--frames", "2", "--test-frames", "40", "--seed", "2",
                                 "--height", "240", "--width", "320"})
                .code,
            0);
  const ToolRun run = run_tool("mdeval", {"report", path("plain"), "--data", path("many"), "--frames", "40", "--out",
                                          path("many.html"), "--device", "cpu"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string page = text_of("many.html");
  EXPECT_LE(page.size(), 3'000'000U);
  EXPECT_EQ(count_of(page, "<article class=\"frame\">"), 41U) << "each frame, and the features";
}

TEST_F(ReportTest, RunsStandSideBySide) {
  const ToolRun run = run_tool("mdeval", {"report", path("plain"), path("metric"), "--names", "without,with",
                                          "--frames", "3", "--out", path("both.html"), "--device", "cpu"});
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string page = text_of("both.html");
  EXPECT_NE(page.find("Differences to <strong>without</strong>"), page.npos);
  EXPECT_NE(page.find("prediction, with<"), page.npos);
  EXPECT_NE(page.find("<code>metric-depth</code>"), page.npos) << "an option that differs";
  EXPECT_EQ(page.find("<code>batch</code>"), page.npos) << "one that does not";
  EXPECT_NE(page.find("Table I: NYU Depth V2"), page.npos);
  EXPECT_NE(page.find("not comparable: protocol plain"), page.npos);
}

TEST_F(ReportTest, OfACheckpointAndOfPredictions) {
  const Words data{"--data", path("data"), "--list", "nyu_test.txt", "--protocol", "plain"};
  Words of_net{path("plain/best.safetensors"), "--report", path("net.html"), "--device", "cpu"};
  of_net.insert(of_net.end(), data.begin(), data.end());
  const ToolRun net = run_tool("mdeval", of_net);
  ASSERT_EQ(net.code, 0) << net.err;
  EXPECT_NE(text_of("net.html").find("<h2>Features</h2>"), std::string::npos);
  EXPECT_EQ(text_of("net.html").find("<h2>Learning curves</h2>"), std::string::npos);
  // The ground truth's own files, as another program's predictions.
  Words of_files{"--predictions", path("data"), "--dataset", "nyu", "--report", path("files.html")};
  of_files.insert(of_files.end(), data.begin(), data.end());
  fs::create_directories(path("theirs"));
  std::istringstream list(contents_of(path("data/nyu_test.txt")));
  for (std::string image, depth, focal; list >> image >> depth >> focal;) {
    const fs::path to = fs::path(path("theirs")) / fs::path(image).replace_extension(".png");
    fs::create_directories(to.parent_path());
    fs::copy_file(fs::path(path("data")) / depth, to);
  }
  of_files[1] = path("theirs");
  const ToolRun files = run_tool("mdeval", of_files);
  ASSERT_EQ(files.code, 0) << files.err;
  EXPECT_NE(text_of("files.html").find("<h2>Frames</h2>"), std::string::npos);
  EXPECT_EQ(text_of("files.html").find("<h2>Features</h2>"), std::string::npos);
}

TEST_F(ReportTest, WhatIsWrongIsSaid) {
  EXPECT_TRUE(
      refused(run_tool("mdeval", {"report", path("data"), "--out", path("x.html")}), 66, {"data", "not a run"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"report", path("plain"), "--data", path("nowhere"), "--out", path("x.html")}),
                      66, {"nyu_test.txt", "no such list"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"report", path("plain"), "--names", "a,b", "--out", path("x.html")}), 2,
                      {"--names", "2 of them for 1"}));
  EXPECT_TRUE(refused(run_tool("mdeval", {"report", path("plain"), "--out", path("data")}), 73, {"--out"}));
  EXPECT_FALSE(fs::exists(path("x.html")));
}

TEST_F(ReportTest, TheHistoryKnowsWhereARunWentOn) {
  ASSERT_EQ(train("stopped", {"--no-report", "--max-steps", "3", "--checkpoint-every", "1"}).code, 0);
  EXPECT_TRUE(read_history(path("stopped")).continued.empty());
  ASSERT_EQ(run_tool("mdtrain", {"--resume", path("stopped"), "--max-steps", "6"}).code, 0);
  const RunHistory history = read_history(path("stopped"));
  EXPECT_EQ(history.steps.size(), 6U);
  EXPECT_EQ(history.evaluations.back().step, 6);
  EXPECT_EQ(history.loss_names(), (std::vector<std::string>{"loss", "silog"}));
  ASSERT_EQ(history.continued.size(), 1U);
  EXPECT_EQ(history.continued[0].step, 3);
  EXPECT_EQ(history.continued[0].what, "resumed");
}

TEST_F(ReportTest, AdaptiveThresholdsAreCurves) {
  const Words adaptive{"--metric-depth", "--thresholds", "adaptive"};
  Words relative = adaptive;
  relative.insert(relative.end(), {"--depth-difference", "relative"});
  ASSERT_EQ(train("adaptive", adaptive).code, 0);
  ASSERT_EQ(train("ratios", relative).code, 0);
  const RunHistory history = read_history(path("adaptive"));
  ASSERT_EQ(history.steps.size(), 6U);
  // After the last step they are what the checkpoint goes on from: updates, r_p, lower ends, margins.
  const std::vector<double> state = Checkpoint(path("adaptive/last.safetensors")).state().terms.at("metric_depth");
  ASSERT_EQ(state.size(), 8U);
  const Thresholds& last = history.steps.back().thresholds.value();
  ASSERT_EQ(last.ranges.size(), 3U);
  EXPECT_EQ(last.positive_below, float(state[1]));
  for (std::size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(last.ranges[j].low, float(state[2 + j]));
    EXPECT_EQ(last.ranges[j].high, j < 2 ? float(state[3 + j]) : std::numeric_limits<float>::infinity());
    EXPECT_EQ(last.ranges[j].margin, float(state[5 + j]));
  }
  EXPECT_NE(history.steps.front().thresholds.value().positive_below, last.positive_below);
  EXPECT_EQ(history.loss_names(), (Words{"loss", "metric_depth", "silog"})) << "they are no losses";

  const std::string page = text_of("adaptive/report.html");
  for (const char* part : {">Adaptive thresholds<", "depth difference, metres<", ">Adaptive margins<", ">r_p</text>",
                           ">range 3</text>", "adaptive, range 3 from "})
    EXPECT_NE(page.find(part), page.npos) << part;
  EXPECT_EQ(count_of(page, ">range 1</text>"), 2U) << "a threshold and a margin";
  EXPECT_EQ(text_of("metric/report.html").find("daptive thresholds"), std::string::npos);
  ASSERT_EQ(run_tool("mdeval", {"report", path("adaptive"), path("ratios"), path("plain"), "--curves-only", "--out",
                                path("thresholds.html")})
                .code,
            0);
  const std::string both = text_of("thresholds.html");
  EXPECT_NE(both.find(">Adaptive thresholds, relative<"), both.npos);
  EXPECT_EQ(count_of(both, ">range 1</text>"), 3U) << "the margins of the second run have no names";
  EXPECT_NE(both.find("ratios, range 1 from "), both.npos);
}

TEST_F(ReportTest, ThresholdsThatAreNoneNameTheirLine) {
  fs::copy(path("metric"), path("broken"), fs::copy_options::recursive);
  std::istringstream lines(text_of("metric/metrics.jsonl"));
  std::string first;
  std::getline(lines, first);
  for (const char* wrong : {"3", "{\"positive-below\":1,\"ranges\":[\"2-1\"],\"margins\":[1]}",
                            "{\"positive-below\":1,\"ranges\":[\"1-2\"],\"margins\":[]}"}) {
    std::ofstream(path("broken/metrics.jsonl"))
        << first << "\n{\"thresholds\":" << wrong << "," << first.substr(1) << "\n"
        << first << "\n";
    EXPECT_TRUE(refused(run_tool("mdeval", {"report", path("broken"), "--curves-only", "--out", path("x.html")}), 65,
                        {"metrics.jsonl:2"}))
        << wrong;
  }
}

}  // namespace
}  // namespace md
