// Training started and stopped again and again in one process. `tools/check --full` asks for more of it than fits a
// quick suite (MD_CYCLES).
// Labels: tool threads
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/tools/tiny_runs.h"

namespace md::test {
namespace {

class StartStop : public TinyRuns {};

/// Each run stops in the middle of what its loader has decoded ahead; every other one goes on from the one before.
TEST_F(StartStop, AgainAndAgain) {
  const char* const wanted = std::getenv("MD_CYCLES");
  const int cycles = wanted ? std::atoi(wanted) : 4;
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

}  // namespace
}  // namespace md::test
