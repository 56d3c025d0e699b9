// mdtrain and mdeval as several ranks, which mpirun starts: the run is that of one rank, and whatever ends a rank ends
// all of them with one line, and a checkpoint that resumes.
// Labels: tool
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/safetensors.h"
#include "tests/tools/suite_folder.h"

namespace md::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Args = std::vector<std::string>;

/// Lines of metrics.jsonl that have this key.
std::vector<json> lines_with(const std::string& run, const std::string& key) {
  std::vector<json> found;
  std::ifstream file(run + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    if (json parsed = json::parse(line); parsed.contains(key)) found.push_back(std::move(parsed));
  }
  return found;
}

std::vector<double> losses(const std::string& run) {
  std::vector<double> all;
  for (const json& line : lines_with(run, "loss")) all.push_back(line["loss"]);
  return all;
}

std::string weights(const std::string& run) {
  return SafeTensors::read(run + "/last.safetensors").metadata().at("sha256");
}

/// A program as ranks that a launcher starts; it is one, or MPI was not found when this was built.
class RanksTest : public SuiteFolder {
 protected:
  static void SetUpTestSuite() {
    // Containers are root, and have fewer processors than ranks.
    for (const auto& [name, value] : {std::pair("OMPI_ALLOW_RUN_AS_ROOT", "1"),
                                      {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                                      {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                                      {"OMPI_MCA_hwloc_base_binding_policy", "none"}})
      setenv(name, value, 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    ASSERT_NO_FATAL_FAILURE(make_rooms(8, 3));
    std::ofstream(path("config.toml")) << "list = 'nyu_train.txt'\neval-list = 'nyu_test.txt'\ndata = '" << path("data")
                                       << "'\nheight = 32\nwidth = 64\nbatch = 4\nepochs = 2\ncheckpoint-every = 1\n"
                                       << "metric-depth = true\nsync-batch-norm = true\nlr = 1e-4\ndevice = 'cpu'\n"
                                       << "loader-threads = 1\nreport = false\n";
    setenv("MD_PLAN_CACHE", "", 1);
  }
  void SetUp() override {
    if (std::string(MD_MPIEXEC).empty()) GTEST_SKIP() << "no MPI was found";
  }
  /// data/bad.txt: sixteen lines of nyu_train.txt, of which the second names a picture that cannot be decoded; the
  /// checks at the start of a run look at every other one, and miss it.
  static void make_bad_list() {
    std::ofstream(path("data/broken.jpg")) << "no picture";
    std::ifstream list(path("data/nyu_train.txt"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(list, line);) lines.push_back(line);
    std::ofstream bad(path("data/bad.txt"));
    for (int i = 0; i < 16; ++i) {
      const std::string& line = lines[std::size_t(i) % lines.size()];
      bad << (i == 1 ? "broken.jpg" + line.substr(line.find(' ')) : line) << "\n";
    }
  }
  static Args ranks_of(int n, const std::string& name, const Args& more) {
    Args args = {"-n", std::to_string(n), program(name)};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static ToolRun run_ranks(int n, const std::string& name, const Args& more) {
    return run_program(MD_MPIEXEC, ranks_of(n, name, more), {.limit_s = 120});
  }
  static Args anew(const std::string& run, const Args& more = {}) {
    Args args = {"--config", path("config.toml"), "--out", path(run)};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  /// The run of two ranks that nothing disturbs, in `whole`.
  static void make_whole() {
    if (fs::exists(path("whole"))) return;
    ASSERT_EQ(run_ranks(2, "mdtrain", anew("whole")).code, 0);
  }
  static constexpr int kSteps = 4;
  static int count(const std::string& text, const std::string& part) {
    int n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
  }
  /// One line of mdtrain's about it, whatever the launcher adds, and the exit code.
  static void expect_error(const ToolRun& run, int code, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(count(run.err, "mdtrain: error: "), 1) << run.err;
    for (const std::string& part : parts) EXPECT_NE(run.err.find(part), run.err.npos) << part << "\n" << run.err;
  }
};

TEST_F(RanksTest, TheRunIsThatOfOneRankAndTheSameBitsEveryTime) {
  ASSERT_EQ(run_tool("mdtrain", anew("one")).code, 0);
  const std::vector<double> one = losses(path("one"));
  ASSERT_EQ(one.size(), std::size_t(kSteps));
  for (const int n : {2, 4}) {
    const std::string first = cat("of", n), second = cat("again", n);
    const ToolRun run = run_ranks(n, "mdtrain", anew(first));
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(count(run.out, "4 steps"), 1) << "rank 0 alone prints\n" << run.out;
    const std::vector<double> several = losses(path(first));
    ASSERT_EQ(several.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(several[i], one[i], 1e-4 * one[i]) << n << ", step " << i;
    const double abs_rel = lines_with(path(first), "eval").back()["eval"]["abs_rel"];
    EXPECT_NEAR(abs_rel, double(lines_with(path("one"), "eval").back()["eval"]["abs_rel"]), 1e-4);
    ASSERT_EQ(run_ranks(n, "mdtrain", anew(second, {"--bucket", "0.1", "--loader-threads", "2"})).code, 0);
    EXPECT_EQ(losses(path(second)), several) << n << " ranks";
    EXPECT_EQ(weights(path(second)), weights(path(first))) << n << " ranks";
  }
}

TEST_F(RanksTest, AccumulatedPartsAreThoseOfOneRank) {
  const Args more = {"--batch", "2", "--accumulate", "2", "--max-steps", "3", "--eval-every", "0"};
  ASSERT_EQ(run_tool("mdtrain", anew("parts1", more)).code, 0);
  ASSERT_EQ(run_ranks(2, "mdtrain", anew("parts2", more)).code, 0);
  const std::vector<double> one = losses(path("parts1")), two = losses(path("parts2"));
  ASSERT_EQ(two.size(), 3U);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(two[i], one[i], 1e-4 * one[i]) << "step " << i;
}

TEST_F(RanksTest, StopsAndResumesWithTheSameBitsAndWithAnotherNumberOfRanks) {
  ASSERT_NO_FATAL_FAILURE(make_whole());
  ASSERT_EQ(run_ranks(2, "mdtrain", anew("stopped", {"--max-steps", "2", "--eval-every", "0"})).code, 0);
  fs::copy(path("stopped"), path("other"), fs::copy_options::recursive);
  ASSERT_EQ(run_ranks(2, "mdtrain", {"--resume", path("stopped"), "--max-steps", "0", "--eval-every", "1"}).code, 0);
  EXPECT_EQ(losses(path("stopped")), losses(path("whole")));
  EXPECT_EQ(weights(path("stopped")), weights(path("whole")));
  const ToolRun other = run_tool("mdtrain", {"--resume", path("other"), "--max-steps", "0", "--eval-every", "1"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_NE(other.err.find("2 ranks, from here on"), other.err.npos) << other.err;
  const std::vector<double> whole = losses(path("whole")), on_one = losses(path("other"));
  ASSERT_EQ(on_one.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(on_one[i], whole[i], 1e-4 * whole[i]) << "step " << i;
}

TEST_F(RanksTest, RefusesWhatDoesNotDivide) {
  expect_error(run_ranks(2, "mdtrain", anew("odd", {"--batch", "3"})), 2, {"--batch 3 does not divide into 2 ranks"});
  expect_error(run_ranks(2, "mdtrain", anew("adaptive", {"--thresholds", "adaptive"})), 2,
               {"--thresholds adaptive is for one rank"});
  const ToolRun predict = run_ranks(2, "mdeval", {"predict", "x", "y", "--out", path("z")});
  EXPECT_EQ(predict.code, 2);
  EXPECT_EQ(count(predict.err, "2 processes of this command, which is for one"), 1) << predict.err;
}

// A picture that only its turn in training decodes: rank 0 says what the other has met.
TEST_F(RanksTest, AnErrorOfOneRankEndsAllAndNamesIt) {
  make_bad_list();
  const ToolRun run = run_ranks(2, "mdtrain", anew("bad", {"--list", "bad.txt", "--max-bad-frames", "0"}));
  expect_error(run, 65, {"mdtrain: error: rank ", " on ", "broken.jpg"});
}

TEST_F(RanksTest, EvaluationAndCheckDataAreThoseOfOneRankToTheLastDigit) {
  ASSERT_EQ(run_tool("mdtrain", anew("trained", {"--max-steps", "2"})).code, 0);
  const auto evaluated = [](const std::string& json_file) {
    return Args{path("trained/last.safetensors"),
                "--data",
                path("data"),
                "--list",
                "nyu_test.txt",
                "--protocol",
                "plain",
                "--device",
                "cpu",
                "--json",
                path(json_file)};
  };
  const ToolRun one = run_tool("mdeval", evaluated("one.json"));
  ASSERT_EQ(one.code, 0) << one.err;
  const auto text_of = [](const std::string& file) {
    std::ifstream in(path(file));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  for (const int n : {2, 4}) {
    const ToolRun several = run_ranks(n, "mdeval", evaluated("several.json"));
    ASSERT_EQ(several.code, 0) << several.err;
    EXPECT_EQ(several.out, one.out) << n;
    EXPECT_EQ(text_of("several.json"), text_of("one.json")) << n;
  }
  make_bad_list();
  const Args check = {"check-data", "nyu_train.txt", "bad.txt", "--data", path("data"), "--dataset", "nyu", "--bad"};
  const auto with_table = [&](const std::string& table) {
    Args args = check;
    args.push_back(path(table));
    return args;
  };
  const ToolRun alone_checks = run_tool("mdtrain", with_table("bad1.tsv"));
  const ToolRun ranks_check = run_ranks(3, "mdtrain", with_table("bad3.tsv"));
  EXPECT_EQ(alone_checks.code, 65);
  EXPECT_EQ(ranks_check.code, 65) << ranks_check.err;
  EXPECT_EQ(ranks_check.out, alone_checks.out);
  EXPECT_EQ(text_of("bad3.tsv"), text_of("bad1.tsv"));
}

/// Of the children of a process, the one that is this rank; 0: none is.
pid_t child_of_rank(pid_t launcher, int rank) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (!std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c); })) continue;
    std::ifstream stat(entry.path() / "stat"), environment(entry.path() / "environ");
    std::string number, name, state;
    pid_t parent = 0;
    stat >> number >> name >> state >> parent;
    if (parent != launcher) continue;
    const std::string all(std::istreambuf_iterator<char>(environment), {});
    if (all.find(cat("OMPI_COMM_WORLD_RANK=", rank, std::string(1, '\0'))) != all.npos) return pid_t(std::stoi(pid));
  }
  return 0;
}

TEST_F(RanksTest, ARankThatHangsEndsAllWithinTheLimit) {
  const std::string said = path("hung.err");
  const int err = open(said.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const Args args = anew("hung", {"--wait-limit", "5", "--epochs", "50"});
  const pid_t launcher = start_program(MD_MPIEXEC, ranks_of(2, "mdtrain", args), {.err = err});
  ::close(err);
  ASSERT_TRUE(wait_until([&] { return !losses(path("hung")).empty(); }, 60));
  kill(child_of_rank(launcher, 1), SIGSTOP);
  EXPECT_EQ(exit_code_of(launcher, 60), 70);
  std::ifstream in(said);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(text.find("mdtrain: error: rank 0 on "), text.npos) << text;
  EXPECT_NE(text.find("did not come within 5 s"), text.npos) << text;
}

// A quarter of MD_KILLS of a random rank at a random moment: none hangs, and what it leaves resumes to the bits of the
// whole run.
TEST_F(RanksTest, AKilledRankEndsAllAndTheRunGoesOn) {
  ASSERT_NO_FATAL_FAILURE(make_whole());
  const char* const asked = std::getenv("MD_KILLS");
  const int kills = asked ? std::max(1, std::atoi(asked) / 4) : 1;
  std::mt19937 random(1);  // NOLINT: the same moments in every run
  for (int k = 0; k < kills; ++k) {
    const std::string run = cat("killed", k);
    const pid_t launcher = start_program(MD_MPIEXEC, ranks_of(2, "mdtrain", anew(run)));
    const int rank = int(random() % 2);
    const double wait_s = 1 + double(random() % 4000) / 1000;
    wait_until([&] { return waitpid(launcher, nullptr, WNOHANG | WNOWAIT) != 0; }, wait_s);
    if (const pid_t victim = child_of_rank(launcher, rank); victim > 0) kill(victim, SIGKILL);
    const int code = exit_code_of(launcher, 60);
    ASSERT_NE(code, 128 + SIGKILL) << "the launcher hung, kill " << k;
    const bool began = fs::exists(path(run) + "/config.toml");
    const ToolRun on = run_ranks(2, "mdtrain", began ? Args{"--resume", path(run)} : anew(run));
    ASSERT_EQ(on.code, 0) << on.err << ", kill " << k << " of rank " << rank << " after " << wait_s << " s";
    EXPECT_EQ(losses(path(run)), losses(path("whole"))) << k;
    EXPECT_EQ(weights(path(run)), weights(path("whole"))) << k;
    fs::remove_all(path(run));
  }
}

TEST_F(RanksTest, ASignalToTheLauncherStopsAllAndTheRunGoesOn) {
  ASSERT_NO_FATAL_FAILURE(make_whole());
  const pid_t launcher = start_program(MD_MPIEXEC, ranks_of(2, "mdtrain", anew("signalled")));
  ASSERT_TRUE(wait_until([&] { return !losses(path("signalled")).empty(); }, 60));
  kill(launcher, SIGTERM);
  const int code = exit_code_of(launcher, 60);
  EXPECT_NE(code, 0);
  EXPECT_NE(code, 128 + SIGKILL) << "the launcher hung";
  const ToolRun on = run_ranks(2, "mdtrain", {"--resume", path("signalled")});
  ASSERT_EQ(on.code, 0) << on.err;
  EXPECT_EQ(losses(path("signalled")), losses(path("whole")));
  EXPECT_EQ(weights(path("signalled")), weights(path("whole")));
}

}  // namespace
}  // namespace md::test
