// Networks on a GPU: their depth is the CPU's, a steady state asks for nothing, and every run gives the same bits.
// Labels: gpu
#include <gtest/gtest.h>

#include "engine/autograd.h"
#include "engine/safetensors.h"
#include "tests/gpu/gpu_training.h"
#include "tests/tools/tiny_runs.h"

namespace md::test {
namespace {

TEST_F(GpuTest, GivesBackWhatItWasGiven) {
  const Tensor x = random_tensor({3, 5, 7}, 1);
  EXPECT_EQ(x.to(kGpu).to(Device{}).to_host(), x.to_host());
}

class GpuEvaluation : public GpuTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Nets, GpuEvaluation, testing::Values("lt", "bts", "newcrfs_tiny07"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(GpuEvaluation, EqualsTheCpus) {
  const Tensor image = random_tensor({1, 32, 64, 3}, 1, -2, 2);
  const auto evaluated = [&](Device device) {
    const auto net = make_net_on(device, GetParam());
    net->eval();
    const NoGrad off;
    return net->forward(image.to(device));
  };
  const DepthMaps gpu = evaluated(kGpu), cpu = evaluated(Device{});
  constexpr double kRounding = 1e-5;  // what the goldens allow of an evaluation in float32
  EXPECT_TRUE(close(gpu.depth_m, cpu.depth_m, kRounding));
  EXPECT_TRUE(close(gpu.features, cpu.features, kRounding));
}

/// On the doubles a larger step of NeWCRFs takes long.
struct Steps {
  const char* net;
  Shape images;
};
void PrintTo(const Steps& steps, std::ostream* out) { *out << steps.net; }
class GpuSteadyState : public GpuTest, public testing::WithParamInterface<Steps> {};
INSTANTIATE_TEST_SUITE_P(Nets, GpuSteadyState,
                         testing::Values(Steps{"lt", {2, 32, 64, 3}}, Steps{"newcrfs_tiny07", {2, 32, 32, 3}}),
                         [](const auto& test) { return std::string(test.param.net); });

TEST_P(GpuSteadyState, AsksForNoMemoryAndNoPlans) {
  FedTraining training(GetParam().net, GetParam().images);
  training.steps(2);
  const i64 misses = backend(kGpu).pool_stats().misses, plans = backend(kGpu).primitives_created();
  training.steps(1);
  EXPECT_EQ(backend(kGpu).pool_stats().misses, misses);
  EXPECT_EQ(backend(kGpu).primitives_created(), plans);
}

TEST_P(GpuSteadyState, TwoTrainingsAgreeBitForBit) {
  FedTraining a(GetParam().net, GetParam().images), b(GetParam().net, GetParam().images);
  EXPECT_EQ(a.steps(1), b.steps(1));
  const State ours = a.net().state(), theirs = b.net().state();
  for (const auto& [name, tensor] : ours) {
    if (tensor.dtype() != DType::f32) continue;  // a count
    EXPECT_EQ(tensor.to_host(), theirs.at(name).to_host()) << name;
  }
}

TEST_P(GpuSteadyState, GraphsGiveTheBitsOfLaunches) {
  constexpr int kSteps = 5;  // two before there is a graph
  FedTraining graphs(GetParam().net, GetParam().images), launches(GetParam().net, GetParam().images, false);
  EXPECT_EQ(graphs.steps(kSteps), launches.steps(kSteps));
  const State ours = graphs.net().state(), theirs = launches.net().state();
  for (const auto& [name, tensor] : ours) {
    if (tensor.dtype() != DType::f32) continue;  // a count
    EXPECT_EQ(tensor.to_host(), theirs.at(name).to_host()) << name;
  }
}

class GpuRuns : public TinyRuns {};

TEST_F(GpuRuns, AResumedRunIsTheOneThatNeverStopped) {
  if (const std::string why = why_no_gpu(); !why.empty()) GTEST_SKIP() << why;
  expect_trains(options("whole", 4, "cuda"));
  expect_trains(options("parts", 2, "cuda"));
  TrainOptions rest = options("parts", 4, "cuda");
  rest.resume = rest.out;
  expect_trains(rest);
  const auto sum = [&](const std::string& run) {
    return SafeTensors::read(path(run + "/last.safetensors")).metadata().at("sha256");
  };
  EXPECT_EQ(sum("parts"), sum("whole"));
}

TEST_F(GpuRuns, PlansAreInTheCheckpointAndThoseOfAnotherGpuAreNamed) {
  if (const std::string why = why_no_gpu(); !why.empty()) GTEST_SKIP() << why;
  expect_trains(options("run", 1, "cuda"));
  const auto resumed = [&](i64 steps) {
    TrainOptions rest = options("run", steps, "cuda");
    rest.resume = rest.out;
    return expect_trains(rest);
  };
  const std::string others = "plans of its convolutions are of cuDNN", gpu = "\"gpu\":\"";
  EXPECT_EQ(resumed(2).find(others), std::string::npos);
  const SafeTensors last = SafeTensors::read(path("run/last.safetensors"));
  std::map<std::string, std::string> metadata = last.metadata();
  std::string& plans = metadata.at("plans");
  EXPECT_NE(plans.find("weight gradient"), std::string::npos) << plans;
  plans.insert(plans.find(gpu) + gpu.size(), "another ");
  write_safetensors(path("run/last.safetensors"), last.state(), metadata);
  EXPECT_NE(resumed(3).find(others), std::string::npos);
}

}  // namespace
}  // namespace md::test
