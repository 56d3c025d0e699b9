// What shows only after a while: training started and stopped again and again, and memory and open files over many
// steps. `tools/check --full` asks for more of both than fits a quick suite (MD_CYCLES, MD_STEPS).
// Labels: tool
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/kit/run_tool.h"
#include "tests/tools/tiny_runs.h"

namespace md::test {
namespace {

int from_environment(const char* name, int otherwise) {
  const char* const value = std::getenv(name);
  return value ? std::atoi(value) : otherwise;
}

class StateStartStop : public TinyRuns {};

/// Each run stops in the middle of what its loader has decoded ahead; every other one goes on from the one before.
TEST_F(StateStartStop, AgainAndAgain) {
  const int cycles = from_environment("MD_CYCLES", 4);
  for (int cycle = 0; cycle < cycles; ++cycle) {
    TrainOptions o = options("run", 1 + cycle % 3 + 3 * (cycle % 2));
    o.loader_threads = 1 + cycle % 4;
    if (cycle % 2 == 0) {
      std::filesystem::remove_all(o.out);
    } else {
      o.resume = o.out;
    }
    expect_trains(o);
    if (HasFailure()) return;
  }
}

struct Usage {
  i64 resident_bytes, open_files;
};

Usage usage_of(pid_t process) {
  i64 all = 0, resident = 0;
  std::ifstream(cat("/proc/", process, "/statm")) >> all >> resident;
  std::error_code gone;
  const std::filesystem::directory_iterator files(cat("/proc/", process, "/fd"), gone);
  return {resident * sysconf(_SC_PAGESIZE), gone ? 0 : std::distance(files, {})};
}

i64 median(std::span<const Usage> samples, i64 Usage::*what) {
  std::vector<i64> values;
  for (const Usage& sample : samples) values.push_back(sample.*what);
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

class Endurance : public TinyRuns {};

TEST_F(Endurance, MemoryAndOpenFilesStayFlat) {
  const int steps = from_environment("MD_STEPS", 200);
  const std::vector<std::string> args = {test::program("mdtrain"),
                                         "--data",
                                         path(""),
                                         "--list",
                                         path("list.txt"),
                                         "--out",
                                         path("run"),
                                         "--height",
                                         "32",
                                         "--width",
                                         "64",
                                         "--batch",
                                         "1",
                                         "--metric-depth",
                                         "--max-steps",
                                         cat(steps),
                                         "--checkpoint-every",
                                         cat(steps / 10),
                                         "--device",
                                         "cpu"};
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> argv;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    freopen("/dev/null", "w", stdout);
    execv(argv[0], argv.data());
    _exit(127);
  }
  std::vector<Usage> samples;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    samples.push_back(usage_of(child));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_EQ(WEXITSTATUS(status), 0);
  ASSERT_GT(samples.size(), 40U);
  // Medians: a save holds a second copy of everything for a moment. The first quarter warms up.
  const std::size_t quarter = samples.size() / 4;
  const std::span<const Usage> second(samples.data() + quarter, quarter), last(samples.data() + 3 * quarter, quarter);
  const i64 before = median(second, &Usage::resident_bytes), after = median(last, &Usage::resident_bytes);
  const i64 files_before = median(second, &Usage::open_files), files_after = median(last, &Usage::open_files);
  std::cout << steps << " steps: " << before / 1024 << " KiB, then " << after / 1024 << " KiB resident; "
            << files_before << ", then " << files_after << " open files\n";
  EXPECT_LE(after, before + (4 << 20)) << "a leak of 2 KB a step shows in 2,000 steps";
  EXPECT_LE(files_after, files_before + 1) << "a leaked file a save shows";
}

}  // namespace
}  // namespace md::test
