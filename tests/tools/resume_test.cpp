// A run that stops, however it stops, and goes on: losses and weights are those of the run that was never stopped.
// Labels: tool
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "engine/safetensors.h"
#include "layers/modules.h"
#include "tests/tools/suite_folder.h"
#include "tools/cli/exit_code.h"
#include "tools/run/checkpoint.h"
#include "tools/run/run_folder.h"

namespace {

/// What happens to the n-th of this process's calls of write, fsync and rename; 0: nothing, but they are counted.
struct Fault {
  int at = 0, error = 0;  // error 0: the process dies there, as by kill -9
  int calls = 0;
  bool stutters = false;  // every other write is interrupted, and the others write little
} fault;

/// True where the call fails, with errno.
bool fails_now() {
  if (++fault.calls != fault.at) return false;
  if (fault.error == 0) _exit(137);
  errno = fault.error;
  return true;
}

}  // namespace

// The program's own definitions stand before the C library's.
extern "C" ssize_t write(int fd, const void* data, std::size_t bytes) {
  if (fails_now()) return -1;
  if (!fault.stutters) return syscall(SYS_write, fd, data, bytes);
  errno = EINTR;
  return fault.calls % 2 == 0 ? -1 : syscall(SYS_write, fd, data, std::min<std::size_t>(bytes, 100));
}
extern "C" int fsync(int fd) { return fails_now() ? -1 : int(syscall(SYS_fsync, fd)); }
extern "C" int rename(const char* from, const char* to) {
  return fails_now() ? -1 : int(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace md {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::refused;
using test::run_tool;
using test::ToolRun;
using Args = std::vector<std::string>;

/// Of every logged step and evaluation what does not depend on the clock.
std::vector<std::string> curve(const fs::path& run) {
  std::vector<std::string> found;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    json parsed = json::parse(line);
    for (const char* clock : {"step_s", "wait_s", "eval_s", "time"}) parsed.erase(clock);
    found.push_back(parsed.dump());
  }
  return found;
}

/// Six frames to train on, two to test on: three steps an epoch, in a folder of the suite's own.
class ResumeTest : public test::SuiteFolder {
 protected:
  static constexpr int kSteps = 9;

  static void SetUpTestSuite() {
    ASSERT_NO_FATAL_FAILURE(make_rooms(6, 2));
    std::ofstream(path("config.toml")) << "list = 'nyu_train.txt'\neval-list = 'nyu_test.txt'\ndata = '" << path("data")
                                       << "'\nheight = 64\nwidth = 64\nbatch = 2\nepochs = 3\ncheckpoint-every = 2\n"
                                       << "metric-depth = true\nlr = 1e-3\ndevice = 'cpu'\n";
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(run_tool("mdtrain", anew("whole")).code, 0);
    whole_ms_ = int((std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(1));
    ASSERT_EQ(curve(path("whole")).size(), kSteps + 3U) << "nine steps, three evaluations";
  }
  static Args anew(const std::string& run, const Args& more = {}) {
    Args args = {"--config", path("config.toml"), "--out", path(run)};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static Args resumed(const std::string& run, const Args& more = {}) {
    Args args = {"--resume", path(run)};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static void expect_equals_whole(const std::string& run) {
    EXPECT_EQ(curve(path(run)), curve(path("whole"))) << run;
    const SafeTensors got = SafeTensors::read(path(run + "/last.safetensors"));
    const SafeTensors whole = SafeTensors::read(path("whole/last.safetensors"));
    EXPECT_EQ(got.metadata().at("sha256"), whole.metadata().at("sha256")) << run << ": weights or optimiser differ";
    EXPECT_EQ(got.metadata().at("run"), whole.metadata().at("run")) << run;
    for (const auto& entry : fs::directory_iterator(path(run))) {
      const std::string name = entry.path().filename().string();
      EXPECT_TRUE(name.find(".tmp.") == name.npos && name != "lock") << name << " was left behind";
    }
  }
  static inline int whole_ms_ = 0;  // what an undisturbed run takes
};

TEST_F(ResumeTest, NStepsThenMStepsAreNPlusMSteps) {
  const ToolRun first = run_tool("mdtrain", anew("parts", {"--max-steps", "4", "--loader-threads", "1"}));
  ASSERT_EQ(first.code, 0) << first.err;
  fs::remove(path("parts/best.safetensors"));  // the evaluation after step 4 is one that the whole run does not make
  const ToolRun second = run_tool("mdtrain", resumed("parts", {"--max-steps", "9", "--loader-threads", "4"}));
  ASSERT_EQ(second.code, 0) << second.err;
  std::vector<std::string> losses = curve(path("parts")), whole = curve(path("whole"));
  for (auto* lines : {&losses, &whole})
    std::erase_if(*lines, [](const std::string& line) { return json::parse(line).contains("eval"); });
  EXPECT_EQ(losses, whole);
  EXPECT_EQ(SafeTensors::read(path("parts/last.safetensors")).metadata().at("sha256"),
            SafeTensors::read(path("whole/last.safetensors")).metadata().at("sha256"));
}

TEST_F(ResumeTest, AccumulatedStepsToo) {
  const Args how = {"--batch", "1", "--accumulate", "3"};  // two steps an epoch
  const auto with = [&](Args more) {
    more.insert(more.end(), how.begin(), how.end());
    return more;
  };
  ASSERT_EQ(run_tool("mdtrain", anew("accumulated", how)).code, 0);
  ASSERT_EQ(run_tool("mdtrain", anew("accumulated_parts", with({"--max-steps", "3"}))).code, 0);
  const ToolRun rest = run_tool("mdtrain", resumed("accumulated_parts", {"--max-steps", "0"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_NE(rest.out.find("\n6 steps, "), rest.out.npos) << rest.out;
  EXPECT_EQ(SafeTensors::read(path("accumulated_parts/last.safetensors")).tensor("predict.weight").to_host(),
            SafeTensors::read(path("accumulated/last.safetensors")).tensor("predict.weight").to_host());
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("accumulated", {"--accumulate", "2"})), 2, {"accumulate 3 -> 2"}));
}

TEST_F(ResumeTest, AdaptiveThresholdsToo) {
  const Args how = {"--thresholds", "adaptive", "--proportional-margins"};
  const auto with = [&](Args more) {
    more.insert(more.end(), how.begin(), how.end());
    return more;
  };
  ASSERT_EQ(run_tool("mdtrain", anew("adaptive", how)).code, 0);
  ASSERT_EQ(run_tool("mdtrain", anew("adaptive_parts", with({"--max-steps", "5"}))).code, 0);
  const ToolRun rest = run_tool("mdtrain", resumed("adaptive_parts", {"--max-steps", "0"}));
  ASSERT_EQ(rest.code, 0) << rest.err;
  const SafeTensors got = SafeTensors::read(path("adaptive_parts/last.safetensors"));
  const SafeTensors whole = SafeTensors::read(path("adaptive/last.safetensors"));
  EXPECT_EQ(got.metadata().at("sha256"), whole.metadata().at("sha256"));
  const json terms = json::parse(whole.metadata().at("run")).at("terms");
  EXPECT_EQ(json::parse(got.metadata().at("run")).at("terms"), terms);
  EXPECT_EQ(terms.at("metric_depth").at(0), kSteps) << "one update a step";
  const auto steps = [](const fs::path& run) {  // where it stopped there is an evaluation more
    std::vector<std::string> lines = curve(run);
    std::erase_if(lines, [](const std::string& line) { return line.find("thresholds") == line.npos; });
    return lines;
  };
  EXPECT_EQ(steps(path("adaptive")).size(), std::size_t(kSteps));
  EXPECT_EQ(steps(path("adaptive_parts")), steps(path("adaptive")));
}

TEST_F(ResumeTest, AFinishedRunHasNothingLeftToDo) {
  ASSERT_EQ(run_tool("mdtrain", anew("finished")).code, 0);
  const ToolRun again = run_tool("mdtrain", resumed("finished"));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("9 steps, 0 skipped"), again.out.npos) << again.out;
  expect_equals_whole("finished");
}

/// Starts or continues a run, and sends it a signal after so many milliseconds; its exit code.
int interrupted(const Args& args, int signal, int after_ms) {
  const pid_t child = test::start_tool("mdtrain", args);
  std::this_thread::sleep_for(std::chrono::milliseconds(after_ms));
  kill(child, signal);
  return test::exit_code_of(child, 120);
}

/// Ends a run at random moments by a signal, and resumes it until it gets through.
class Killer {
 public:
  struct How {
    int signal, code;          // the signal, and the exit code of a run that it ended
    unsigned seed, within_ms;  // of the moments
  };
  explicit Killer(const How& how) : how_(how), random_(how.seed) {}

  /// How often the run ended with the code. Gives up, and fails the test, where it ends in another way, or does not
  /// get on.
  int until_done(const std::string& run, const Args& begin, const Args& resume) {
    constexpr int kMostTries = 200;
    int ended = 0;
    for (int tries = 0; tries < kMostTries && !testing::Test::HasFailure(); ++tries) {
      const bool begun = fs::exists(run + "/config.toml");
      const int code = interrupted(begun ? resume : begin, how_.signal, int(random_() % how_.within_ms));
      if (code == 0) return ended;
      if (code == how_.code) ++ended;
      EXPECT_TRUE(code == how_.code || code == 128 + how_.signal) << code;  // a signal may come before main does
      expect_whole_checkpoints(run);
      if (!fs::exists(run + "/config.toml")) fs::remove_all(run);
    }
    ADD_FAILURE() << run << " did not get through";
    return ended;
  }

 private:
  static void expect_whole_checkpoints(const std::string& run) {
    for (const char* name : {"/last.safetensors", "/best.safetensors"}) {
      if (fs::exists(run + name)) {
        EXPECT_NO_THROW(Checkpoint(run + name)) << "half-written";
      }
    }
  }

  const How how_;
  std::minstd_rand random_;
};

TEST_F(ResumeTest, KilledAtRandomMoments) {
  const char* const wanted = std::getenv("MD_KILLS");
  const int kills_wanted = wanted ? std::atoi(wanted) : 20;
  Killer killer(Killer::How{SIGKILL, 137, 7, unsigned(whole_ms_)});
  int kills = 0;
  for (int n = 0; kills < kills_wanted && n < 10 * kills_wanted && !HasFailure(); ++n) {
    const std::string run = cat("killed", n);
    kills += killer.until_done(path(run), anew(run), resumed(run));
    expect_equals_whole(run);
    fs::remove_all(path(run));
  }
  EXPECT_GE(kills, kills_wanted);
}

TEST_F(ResumeTest, StoppedBySignals) {
  Killer killer(Killer::How{SIGTERM, int(Exit::stopped), 3, unsigned(whole_ms_)});
  int stops = 0;
  for (int n = 0; stops == 0 && n < 10 && !HasFailure(); ++n) {  // a run may get through before the signal comes
    const std::string run = cat("stopped", n);
    stops += killer.until_done(path(run), anew(run), resumed(run));
    expect_equals_whole(run);
  }
  EXPECT_GE(stops, 1);
}

TEST_F(ResumeTest, AChangedConfigIsShownAndRefusedUnlessAllowed) {
  ASSERT_EQ(run_tool("mdtrain", anew("changed", {"--max-steps", "2"})).code, 0);
  const auto before = curve(path("changed"));
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("changed", {"--lr", "0.002", "--batch", "1"})), 2,
                      {"batch 2 -> 1", "lr 0.001 -> 0.002", "--allow-changes"}));
  EXPECT_EQ(curve(path("changed")), before);
  EXPECT_EQ(run_tool("mdtrain", resumed("changed", {"--lr", "0.002", "--allow-changes", "--max-steps", "3"})).code, 0);
  EXPECT_EQ(run_tool("mdtrain", resumed("changed", {"--max-steps", "4"})).code, 0) << "the new rate is now the run's";
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("nowhere")), 66, {path("nowhere"), "not a run"}));
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("changed", {"--config", path("config.toml")})), 2,
                      {"--resume and --config exclude each other"}));
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("changed", {"--out", path("elsewhere")})), 2,
                      {"--resume and --out exclude each other"}));
}

TEST_F(ResumeTest, ARunThatCannotGoOnKeepsItsConfig) {
  ASSERT_EQ(run_tool("mdtrain", anew("kept", {"--max-steps", "1"})).code, 0);
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("kept", {"--net", "bts", "--allow-changes"})), 65, {"does not fit"}));
  EXPECT_EQ(run_tool("mdtrain", resumed("kept", {"--max-steps", "2"})).code, 0);
}

TEST_F(ResumeTest, FallsBackToTheNewestReadableCheckpoint) {
  ASSERT_EQ(run_tool("mdtrain", anew("damaged", {"--keep", "2", "--max-steps", "6"})).code, 0);
  std::fstream(path("damaged/last.safetensors"), std::ios::in | std::ios::out | std::ios::binary)
          .seekp(-1, std::ios::end)
      << '\x55';
  fs::remove(path("damaged/step-000000006.safetensors"));  // the same file by another name
  const ToolRun run = run_tool("mdtrain", resumed("damaged", {"--max-steps", "0"}));
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("last.safetensors: damaged"), run.err.npos) << run.err;
  EXPECT_NE(run.err.find("going on from " + path("damaged/step-000000004.safetensors")), run.err.npos) << run.err;
  EXPECT_EQ(std::set<std::string>({"step-000000008.safetensors", "step-000000009.safetensors"}), [&] {
    std::set<std::string> kept;
    for (const auto& entry : fs::directory_iterator(path("damaged")))
      if (entry.path().filename().string().starts_with("step-")) kept.insert(entry.path().filename().string());
    return kept;
  }());
}

TEST_F(ResumeTest, OneRunAtATime) {
  fs::create_directories(path("locked"));
  const FolderLock lock(path("locked"));
  EXPECT_TRUE(refused(run_tool("mdtrain", anew("locked")), 73, {path("locked")}));
  std::ofstream(path("locked/config.toml")) << std::ifstream(path("whole/config.toml")).rdbuf();
  EXPECT_TRUE(refused(run_tool("mdtrain", resumed("locked")), 73,
                      {path("locked"), cat("in use by process ", ::getpid(), " on ")}));
}

/// In a child, so that the fault may end it: saves `run` over the checkpoint with the n-th call failing.
struct Saved {
  bool died, failed;
  int calls;
};
Saved save_with_fault(const std::string& file, const RunState& run, int at, int error) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    Rng rng(0, Purpose::init);
    const Conv2d net(rng, 2, 3, 3);
    const Adam optimizer({{net.parameters(), 0.F}}, {});
    fault = {.at = at, .error = error};
    int answer[2] = {0, 0};
    try {
      save_checkpoint(file, net, optimizer, run);
    } catch (const Error& failure) {
      answer[0] = failure.kind() == ErrorKind::cannot_write && std::string(failure.what()).find(file) == 0 ? 1 : 2;
    }
    answer[1] = fault.calls;
    fault = {};
    _exit(write(pipe_ends[1], answer, sizeof answer) == sizeof answer ? 0 : 1);
  }
  close(pipe_ends[1]);
  int answer[2] = {0, 0};
  const bool answered = read(pipe_ends[0], answer, sizeof answer) == sizeof answer;
  close(pipe_ends[0]);
  test::exit_code_of(child, 60);
  EXPECT_NE(answer[0], 2) << "not the error that a failed save should be";
  return {!answered, answer[0] == 1, answer[1]};
}

TEST_F(ResumeTest, ASaveOutlastsInterruptedAndShortWrites) {
  const std::string whole = path("smooth.safetensors"), stuttered = path("stuttered.safetensors");
  write_safetensors(whole, {{"x", Tensor::full({100, 10}, 0.5F)}});
  fault = {.stutters = true};
  write_safetensors(stuttered, {{"x", Tensor::full({100, 10}, 0.5F)}});
  EXPECT_GT(fault.calls, 2 * 40);
  fault = {};
  EXPECT_EQ(SafeTensors::read(stuttered).metadata(), SafeTensors::read(whole).metadata()) << "the sum of their data";
}

TEST_F(ResumeTest, ARunFolderThatGoesAwayEndsTheRunInOneLine) {
  std::thread mover([] {
    if (test::wait_until([] { return fs::exists(path("moved/last.safetensors")); }, 120))
      fs::rename(path("moved"), path("elsewhere"));
  });
  const ToolRun run = run_tool("mdtrain", anew("moved", {"--checkpoint-every", "1", "--max-steps", "100000"}));
  mover.join();
  EXPECT_EQ(run.code, int(Exit::cannot_write)) << run.err;
  EXPECT_NE(run.err.find("mdtrain: error: " + path("moved")), run.err.npos) << run.err;
  EXPECT_NO_THROW(Checkpoint(path("elsewhere/last.safetensors")));
  EXPECT_TRUE(refused(run_tool("mdtrain", anew(std::string(5000, 'a'))), 73, {"--out"})) << "longer than any path";
}

class SaveFaults : public ResumeTest, public testing::WithParamInterface<int> {};

/// At every write, fsync and rename of a save.
TEST_P(SaveFaults, LeaveTheOldCheckpointOrTheNewOne) {
  const std::string file = path(cat("fault", GetParam(), ".safetensors"));
  const RunState old{.config = {}, .step = 1}, renewed{.config = {}, .step = 2};
  const int calls = save_with_fault(file, old, 0, 0).calls;
  ASSERT_GT(calls, 3);
  for (int at = 1; at <= calls; ++at) {
    save_with_fault(file, old, 0, 0);
    const Saved saved = save_with_fault(file, renewed, at, GetParam());
    EXPECT_NE(saved.died, saved.failed) << "call " << at;
    const i64 step = Checkpoint(file).state().step;
    EXPECT_TRUE(step == 1 || (step == 2 && at == calls)) << "call " << at << ", step " << step;
  }
}
INSTANTIATE_TEST_SUITE_P(Errors, SaveFaults, testing::Values(0, ENOSPC, EIO), [](const auto& fault_kind) {
  return std::string(fault_kind.param == 0 ? "Killed" : fault_kind.param == EIO ? "EIO" : "DiskFull");
});

}  // namespace
}  // namespace md
