// What shows only after a while: memory and open files over many steps of training. `tools/check --full` asks for more
// of them than fits a quick suite (MD_STEPS).
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

// Flat is: less than 2 KiB a step. The medians compared are half of the steps apart, and up to 500 KiB apart in runs
// that leak nothing, of 200 steps as of 2,000. So a leak of 10 KiB a step shows in 200 steps, one of 3 KiB in 2,000.
constexpr i64 kLeakPerStep = 2 << 10;
constexpr i64 kNoise = 768 << 10;

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

class Endurance : public TinyRuns {
 protected:
  /// What a training run of so many steps takes of the system, from its begin to its end.
  std::vector<Usage> usage_over(int steps) const {
    std::filesystem::remove_all(path("run"));
    const pid_t child =
        start_tool("mdtrain", {"--data", path(""), "--list", path("list.txt"), "--out", path("run"), "--height", "32",
                               "--width", "64", "--batch", "1", "--device", "cpu", "--metric-depth", "--max-steps",
                               cat(steps), "--checkpoint-every", cat(steps / 10)});
    std::vector<Usage> samples;
    int status = 0;
    const auto sampled_until_over = [&] {
      samples.push_back(usage_of(child));
      return waitpid(child, &status, WNOHANG) != 0;
    };
    if (!wait_until(sampled_until_over, 1000)) {
      exit_code_of(child, 0);
      ADD_FAILURE() << "did not end";
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return samples;
  }
};

TEST_F(Endurance, MemoryAndOpenFilesStayFlat) {
  const char* const wanted = std::getenv("MD_STEPS");
  int steps = wanted ? std::atoi(wanted) : 200;
  std::vector<Usage> samples = usage_over(steps);
  for (int more = 0; samples.size() < 40 && more < 3 && !HasFailure(); ++more) {  // a fast machine makes more steps
    steps *= 4;
    samples = usage_over(steps);
  }
  ASSERT_GE(samples.size(), 40U);
  // Medians: a save holds a second copy of everything for a moment. The first quarter warms up.
  const std::size_t quarter = samples.size() / 4;
  const std::span<const Usage> second(samples.data() + quarter, quarter), last(samples.data() + 3 * quarter, quarter);
  const i64 before = median(second, &Usage::resident_bytes), after = median(last, &Usage::resident_bytes);
  const i64 files_before = median(second, &Usage::open_files), files_after = median(last, &Usage::open_files);
  std::cout << steps << " steps: " << before / 1024 << " KiB, then " << after / 1024 << " KiB resident; "
            << files_before << ", then " << files_after << " open files\n";
  EXPECT_LE(after, before + steps / 2 * kLeakPerStep + kNoise);
  EXPECT_LE(files_after, files_before + 1) << "a leaked file a save shows";
}

}  // namespace
}  // namespace md::test
