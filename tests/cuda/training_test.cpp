// A steady training step on a GPU waits for nothing but its losses, and makes no call that could: counted by the
// doubles.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>

#include "tests/cuda/doubles.h"
#include "tests/gpu/gpu_training.h"

namespace md::test {
namespace {

/// How many calls of each kind `body` makes.
std::map<std::string, i64> calls_in(const std::function<void()>& body) {
  std::map<std::string, i64> before = doubles::calls(), made;
  body();
  for (const auto& [call, count] : doubles::calls()) made[call] = count - before[call];
  return made;
}

class CudaTraining : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Steps, CudaTraining, testing::Bool(),
                         [](const auto& graph) { return graph.param ? "graphs" : "launches"; });

TEST_P(CudaTraining, ASteadyStepWaitsOnlyForItsLosses) {
  constexpr int kSteps = 3;
  const bool graph = GetParam();
  FedTraining training("lt", {2, 32, 64, 3}, graph);
  training.steps(kSteps);
  const i64 waits = doubles::host_waits();
  std::map<std::string, i64> made = calls_in([&] { training.steps(kSteps); });
  EXPECT_EQ(doubles::host_waits() - waits, kSteps);
  EXPECT_EQ(made["cudaStreamSynchronize"], kSteps);
  for (const char* never : {"cudaMallocAsync", "cudaFreeAsync", "cudaMallocHost", "cudaEventSynchronize",
                            "cudaEventCreateWithFlags", "cudnnCreate"})
    EXPECT_EQ(made[never], 0) << never;
  // The smallest launch costs microseconds; 184 of these are the 46 batch norms'.
  EXPECT_LE(made["emulate"], (graph ? 2 : 386) * kSteps);
  EXPECT_EQ(made["cudaGraphLaunch"], (graph ? 2 : 0) * kSteps);
  EXPECT_LE(made["cudaMemcpyAsync"], (graph ? 5 : 4) * kSteps);
  for (const auto& [call, count] : made) {
    if (count > 0) std::cout << double(count) / kSteps << " " << call << " a step\n";
  }
}

}  // namespace
}  // namespace md::test
