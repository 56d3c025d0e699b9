// mdbench as a user runs it, with a python3 that only pretends: how the peer is installed, and what is reported of it.
// Labels: tool
#include <nlohmann/json.hpp>

#include "engine/backend.h"
#include "tests/data/data_files.h"
#include "tests/kit/run_tool.h"
#include "tools/bench/bench_against.h"
#include "tools/bench/bench_compare.h"
#include "tools/bench/bench_print.h"

namespace md {
namespace {

using json = nlohmann::ordered_json;

/// A report of tools/bench/peer_bench.py.
json mode(const std::string& name, double seconds, double peak_mb, const std::string& precision = "f32") {
  return {{"mode", name}, {"precision", precision}, {"seconds", seconds}, {"peak_mb", peak_mb}};
}

/// A `python3` before all others on the PATH, for as long as the test lives.
class MdbenchTest : public test::DataFolder {
 protected:
  MdbenchTest() : path_before_(std::getenv("PATH")) {
    setenv("PATH", (folder_.string() + "/bin:" + path_before_).c_str(), 1);
  }
  ~MdbenchTest() override { setenv("PATH", path_before_.c_str(), 1); }

  void script(const std::string& name, const std::string& body) const {
    write(name, "#!/bin/sh\n" + body);
    std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
  }
  test::ToolRun mdbench() const {
    return test::run_tool("mdbench", {"--peer", "--only", "metric_depth_sparse", "--pairs", "1", "--seconds", "0.01",
                                      "--venv", path("venv"), "--json", path("out.json")});
  }
  /// The same with the file `python` as the peer's.
  test::ToolRun with_python(const std::vector<std::string>& more) const {
    std::vector<std::string> args{"--peer", "--only",   "metric_depth_sparse", "--pairs", "1", "--seconds",
                                  "0.01",   "--python", path("python")};
    args.insert(args.end(), more.begin(), more.end());
    return test::run_tool("mdbench", args);
  }

 private:
  std::string path_before_;
};

TEST_F(MdbenchTest, NamesThePackageThatMakesEnvironments) {
  script("bin/python3", "exit 1\n");
  const test::ToolRun run = mdbench();
  EXPECT_EQ(run.code, 66) << run.err;
  EXPECT_NE(run.err.find("python3-venv"), run.err.npos) << run.err;
}

TEST_F(MdbenchTest, RefusesAFolderOfOfficialCodeThatIsNotThere) {
  const test::ToolRun run = test::run_tool("mdbench", {"--peer", "--bts-folder", path("nowhere")});
  EXPECT_EQ(run.code, 66) << run.err;
  EXPECT_EQ(run.err, "mdbench: error: --bts-folder " + path("nowhere") + ": no such folder\n");
}

TEST_F(MdbenchTest, ComparesWithAnotherBuild) {
  script("other/mdbench", "echo '{\"seconds\": 2.0, \"peak_mb\": 7}'\n");
  std::vector<std::string> args{"--only", "metric_depth_sparse", "--pairs", "1", "--seconds", "0.01",
                                "--json", path("out.json")};
  args.insert(args.end(), {"--other-build", path("other/mdbench")});
  const test::ToolRun run = test::run_tool("mdbench", args);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find(" of " + path("other/mdbench") + "\n"), run.out.npos) << run.out;
  const json report = json::parse(bytes_of(path("out.json")))["metric_depth_sparse_f32"];
  EXPECT_EQ(report["ratio"], report["ours_s"].get<double>() / 2.0);
  EXPECT_EQ(report["memory_ratio"], report["ours_peak_mb"].get<double>() / 7.0);
  EXPECT_FALSE(report.contains("target"));
  args.back() = path("nowhere");
  EXPECT_TRUE(test::refused(test::run_tool("mdbench", args), 66, {"--other-build " + path("nowhere")}));
}

TEST_F(MdbenchTest, RefusesAGpuThatIsNotThereAndWorkThatNoGpuDoes) {
  const test::ToolRun run = test::run_tool("mdbench", {"--device", "cuda", "--only", "augment"});
  if (cuda_device_names().empty()) {
    EXPECT_TRUE(test::refused(run, 69, {"device cuda"}));
  } else {
    EXPECT_TRUE(test::refused(run, 2, {"--only: no benchmark 'augment' on a GPU (there are lt_train "}));
  }
}

TEST_F(MdbenchTest, TakesThePythonAndTheScriptThatItIsGiven) {
  script("python", "case \"$*\" in *elsewhere.py*) echo '" + json::array({mode("there", 2, 7)}).dump() + "' ;; esac\n");
  const test::ToolRun run = with_python({"--peer-script", "elsewhere.py"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("\n  there "), run.out.npos) << run.out;
  script("python", "exit 1\n");
  EXPECT_TRUE(test::refused(with_python({}), 66, {"--python ", "PyTorch does not load"}));
}

TEST_F(MdbenchTest, FallsBackToPypiAndNamesThePeersWay) {
  // The environment's python: PyTorch loads once it is installed, and can be installed from PyPI only.
  script("made",
         "case \"$*\" in\n"
         "  *--index-url*) exit 1 ;;\n"
         "  *'pip install'*) touch " +
             path("installed") +
             " ;;\n"
             "  *'import torch'*) test -e " +
             path("installed") +
             " ;;\n"
             "  *peer_bench.py*) echo '" +
             json::array({mode("by hand", 3, 7)}).dump() +
             "' ;;\n"
             "esac\n");
  script("bin/python3",
         "mkdir -p " + path("venv/bin") + " && cp " + path("made") + " " + path("venv/bin/python") + "\n");
  const test::ToolRun run = mdbench();
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("trying PyPI"), run.err.npos) << run.err;
  EXPECT_NE(run.out.find(" of by hand: target "), run.out.npos) << run.out;
  const json report = json::parse(bytes_of(path("out.json")))["metric_depth_sparse_f32"];
  EXPECT_EQ(report["peer"], "by hand");
  EXPECT_EQ(report["ratio"], report["ours_s"].get<double>() / 3.0);
}

TEST_F(MdbenchTest, ExportForThePeersIsInNobodysMemory) {
  // The peer runs only where the file of the network is there.
  script("python",
         "while [ $# -gt 0 ]; do [ \"$1\" != --onnx ] || file=$2; shift; done\n"
         "[ -z \"$file\" ] || { [ -s \"$file\" ] && echo '" +
             json::array({mode("ONNX", 3, 7)}).dump() + "'; }\n");
  const auto peak_mb = [&](std::vector<std::string> args) {
    args.insert(args.end(), {"--only", "lt_infer", "--pairs", "1", "--seconds", "0.01", "--json", path("out.json")});
    const test::ToolRun run = test::run_tool("mdbench", args);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(bytes_of(path("out.json")))["lt_infer_f32"]["ours_peak_mb"].get<double>();
  };
  EXPECT_LT(peak_mb({"--peer", "--python", path("python")}), 1.2 * peak_mb({}));
}

/// The report of a short benchmark, changed by a test, as the earlier one of the same benchmark.
class MdbenchAgainstTest : public test::DataFolder {
 protected:
  test::ToolRun mdbench(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"--only", "metric_depth_sparse", "--pairs", "2", "--seconds", "0.01"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::run_tool("mdbench", arguments);
  }
  /// What mdbench says of an earlier run that took `times` as long.
  test::ToolRun after(double times) {
    EXPECT_EQ(mdbench({"--json", path("earlier.json")}).code, 0);
    json report = json::parse(bytes_of(path("earlier.json")));
    json& work = report["metric_depth_sparse_f32"];
    work["ours_s"] = times * work["ours_s"].get<double>();
    work["ours_peak_mb"] = times * work["ours_peak_mb"].get<double>();
    for (const char* spread : {"spread_s", "spread_mb"}) {
      for (json& end : work[spread]) end = times * end.get<double>();
    }
    write("earlier.json", report.dump());
    return mdbench({"--against", path("earlier.json")});
  }
};

TEST_F(MdbenchAgainstTest, MarksWhatIsSlowerOrFasterByMoreThanTheSpread) {
  const std::string slower = after(0.001).out, faster = after(1000).out;
  EXPECT_NE(slower.find(" of before: SLOWER "), slower.npos) << slower;
  EXPECT_NE(slower.find(" of its memory: MORE\n"), slower.npos) << slower;
  EXPECT_NE(faster.find(" of before: faster "), faster.npos) << faster;
  EXPECT_NE(faster.find(" of its memory: less\n"), faster.npos) << faster;
}

TEST_F(MdbenchAgainstTest, DoesNotMarkWhatLiesWithinTheSpread) {
  const json before{{"seconds", 2.0}, {"spread_s", {1.0, 3.0}}}, now{{"seconds", 3.0}, {"spread_s", {2.9, 4.0}}};
  EXPECT_EQ(against(before, now, "seconds", "spread_s"), "   1.50 of before");
  EXPECT_EQ(against(json::object(), now, "seconds", "spread_s"), "");
}

TEST(BenchAgainst, PassesOverAHundredthOfTheMemory) {
  const json before{{"mb", 100.0}, {"spread_mb", {100.0, 100.0}}}, same{{"mb", 100.5}, {"spread_mb", {100.5, 100.5}}};
  const json more{{"mb", 102.0}, {"spread_mb", {102.0, 102.0}}};
  EXPECT_EQ(against(before, same, "mb", "spread_mb"), "   1.00 of its memory");
  EXPECT_EQ(against(before, more, "mb", "spread_mb"), "   1.02 of its memory: MORE");
}

/// A run that is not in the earlier report was not compared.
TEST_F(MdbenchAgainstTest, SaysWhatTheEarlierReportLacks) {
  write("other.json", R"({"threads": 2, "device": "cpu"})");
  const test::ToolRun run = mdbench({"--against", path("other.json")});
  EXPECT_NE(run.out.find("not in the earlier report\n"), run.out.npos) << run.out;
}

TEST_F(MdbenchAgainstTest, RefusesWhatCannotBeCompared) {
  EXPECT_TRUE(test::refused(mdbench({"--against", path("none.json")}), 66, {path("none.json")}));
  write("text.json", "no report");
  EXPECT_TRUE(test::refused(mdbench({"--against", path("text.json")}), 65, {path("text.json"), "not a report"}));
  write("threads.json", R"({"threads": 7, "device": "cpu"})");
  EXPECT_TRUE(test::refused(mdbench({"--against", path("threads.json")}), 65, {"threads was 7, and now is 2"}));
  EXPECT_EQ(mdbench({"--json", path("old.json")}).code, 0);
  json old = json::parse(bytes_of(path("old.json")));
  old["metric_depth_sparse_f32"].erase("spread_s");
  write("old.json", old.dump());
  EXPECT_TRUE(test::refused(mdbench({"--against", path("old.json")}), 65, {"metric_depth_sparse_f32 has no spread"}));
}

/// Two rounds of a side.
Runs twice(const std::string& name, const std::string& precision, double seconds, double peak_mb) {
  Runs runs{name, precision, {}, {}, {}};
  for (int round = 0; round < 2; ++round) runs.add(mode(name, seconds, peak_mb, precision));
  return runs;
}

TEST(BenchCompare, ComparesTimeWithTheFastestModeAndMemoryWithTheLeanest) {
  const std::vector<Runs> modes{twice("lean", "f32", 4, 100), twice("fast", "f32", 2, 300),
                                twice("half", "bf16", 1, 50)};
  const json report = verdict(twice("ours", "f32", 1, 90), modes, Target{"f32", 0.5, 0.8});
  EXPECT_EQ(report["peer"], "fast");
  EXPECT_EQ(report["ratio"], 0.5);
  EXPECT_EQ(report["time_met"], true);
  EXPECT_EQ(report["memory_peer"], "lean");
  EXPECT_EQ(report["memory_ratio"], 0.9);
  EXPECT_EQ(report["memory_met"], false);
  EXPECT_EQ(report["modes"].size(), 3);
}

TEST(BenchCompare, TakesTheBestOfAnyPrecisionWhereTheTargetSaysSo) {
  const std::vector<Runs> modes{twice("whole", "f32", 2, 100), twice("half", "bf16", 1, 100)};
  const json report = verdict(twice("ours", "f32", 1, 100), modes, Target{"f32", 0.5, 0, true});
  EXPECT_EQ(report["peer"], "half");
  EXPECT_EQ(report["time_met"], false);
  EXPECT_FALSE(report.contains("memory_met"));
}

TEST(BenchCompare, KeepsAModeThatFailedInTheReportAndOutOfTheComparison) {
  Runs failed{"compiled", "f32", {}, {}, {}};
  failed.add({{"mode", "compiled"}, {"precision", "f32"}, {"failed", "no compiler"}});
  const json report = verdict(twice("ours", "f32", 1, 1), {failed, twice("eager", "f32", 2, 1)}, {});
  EXPECT_EQ(report["peer"], "eager");
  EXPECT_EQ(report["modes"][0]["missing"], "failed: no compiler");
  EXPECT_FALSE(verdict(twice("ours", "f32", 1, 1), {failed}, {}).contains("ratio"));
}

TEST(BenchCompare, RepeatsOnlyModesThatCouldStillBeTheBest) {
  const std::vector<Runs> modes{twice("slow", "f32", 3.1, 1), twice("close", "f32", 2.9, 1), twice("best", "f32", 2, 1),
                                twice("other", "bf16", 9, 1)};
  EXPECT_EQ(worth_repeating(modes), (std::vector<std::string>{"close", "best", "other"}));
}

TEST(BenchAgainst, FindsTheRowOfTheSameOp) {
  const json row{{"op", "concat"}, {"input", "[1]"}, {"pass", "forward"}};
  json other = row, table;
  other["pass"] = "backward";
  table["rows"] = json::array({other, row});
  table["rows"][1]["seconds"] = 3;
  EXPECT_EQ(earlier_row(table, row).at("seconds"), 3);
  EXPECT_TRUE(earlier_row(json{{"rows", json::array({other})}}, row).empty());
}

json row_of(const char* op, double seconds) {
  return {{"op", op}, {"input", "[1]"}, {"pass", "forward"}, {"count", 2}, {"seconds", seconds}};
}

TEST(BenchPrint, NamesTheOpsThatBf16MakesSlower) {
  const json f32{{"whole_s", 4}, {"rows", {row_of("conv2d", 2), row_of("relu", 1)}}},
      bf16{{"whole_s", 3}, {"rows", {row_of("conv2d", 1), row_of("relu", 1.5), row_of("cast", 0.5)}}};
  testing::internal::CaptureStdout();
  print_slower_ops(f32, bf16);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "  bf16: the whole 0.750 of f32's\n"
            "  SLOWER in bf16: 2 x relu [1] forward, 1500.00 ms, in f32 1000.00 ms\n"
            "  in bf16 alone: 2 x cast [1] forward, 500.00 ms\n");
}

TEST(BenchPrint, ComparesBf16WithF32) {
  json reports{{"x_f32", verdict(twice("ours", "f32", 2, 100), {}, {})},
               {"x_bf16", verdict(twice("ours", "bf16", 3, 60), {}, {})}};
  testing::internal::CaptureStdout();
  print_work("x", reports, json::object());
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("  bf16: time 1.500, memory 0.600 of f32's: SLOWER\n"), std::string::npos) << text;
}

/// Both are the fastest of many short runs, spread over the same minute: other programs slow down most of them, but
/// cannot make any faster.
TEST_F(MdbenchTest, PeakLiesBetweenTheBestProductAndAThirdMore) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitized code is slower than the libraries'";
#endif
  json report;
  double best_gflops = 0, peak_gflops = 0;
  for (int minute = 0; minute < 3 && (minute == 0 || peak_gflops > 1.3 * best_gflops); ++minute) {  // or a busy one
    // Rates count the multiply-adds of the definition; Winograd's algorithm does with fewer and would beat the peak.
    const test::ToolRun run = test::run_tool(
        "mdbench", {"--only", "ops_lt_train", "--exact-convolutions", "--seconds", "0.2", "--json", path("out.json")});
    ASSERT_EQ(run.code, 0) << run.err;
    report = json::parse(bytes_of(path("out.json")))["ops_lt_train_f32"];
    best_gflops = std::max(best_gflops, report["product_gflops"].get<double>());
    for (const json& row : report["rows"]) best_gflops = std::max(best_gflops, row["best_gflops"].get<double>());
    peak_gflops = std::max(peak_gflops, report["peak_gflops"].get<double>());
  }
  EXPECT_GE(peak_gflops, best_gflops);
  EXPECT_LE(peak_gflops, 1.3 * best_gflops);
  // The sum of the rows is what it is said to be, and nothing is missing from it.
  double parts_s = 0;
  for (const json& row : report["rows"]) parts_s += row["count"].get<int>() * row["seconds"].get<double>();
  EXPECT_NEAR(report["parts_s"], parts_s, 1e-9);
  EXPECT_TRUE(report["missing"].empty()) << report["missing"];
}

}  // namespace
}  // namespace md
