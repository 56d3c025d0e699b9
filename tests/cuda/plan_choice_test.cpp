// Which plan a convolution gets where it is first met: the fastest of those that are timed, the first where none is,
// one that finds room; and what happens where cuDNN or CUDA fails meanwhile.
#include <dlfcn.h>

#include <algorithm>

#include "engine/cuda/conv_plan.h"
#include "tests/cuda/chosen_conv.h"
#include "tests/cuda/gpu.h"

namespace md::test {
namespace {

using cuda::ConvPlan;
using cuda::EngineChoice;

cuda::Descriptor gpu() { return cuda::device_properties(0, nullptr); }

/// What is timed, in this order.
std::vector<EngineChoice> proposed(const cuda::ConvProblem& p, const cuda::Descriptor& device) {
  std::vector<EngineChoice> all;
  cuda::PlanProposals proposals(p, device, {.both_modes = true});
  while (const std::optional<ConvPlan> plan = proposals.next()) all.push_back(plan->choice);
  return all;
}

i64 times_called(const std::string& call) {
  const auto found = doubles::calls().find(call);
  return found == doubles::calls().end() ? 0 : found->second;
}

using PlanChoiceTest = PlanChoices;

TEST_F(PlanChoiceTest, TimesEachPlanThreeTimesAndKeepsTheFastest) {
  choose(true);
  const ChosenConv conv(13, 17, kRoundingGpu);
  const std::vector<EngineChoice> all = proposed(conv.problem(), gpu());
  constexpr int kTimed = 8;
  ASSERT_GT(all.size(), std::size_t(kTimed));
  for (const int fastest : {0, 3}) {
    int runs = 0;
    const auto plans = plans_by(fastest, &runs);
    const i64 executed = times_called("cudnnBackendExecute");
    conv.run(*plans);
    EXPECT_EQ(runs, 3 * kTimed);
    EXPECT_EQ(times_called("cudnnBackendExecute") - executed, runs + 1);
    EXPECT_EQ(conv.choice(*plans), all[std::size_t(fastest)]);
    conv.run(*plans);
    EXPECT_EQ(runs, 3 * kTimed) << "the second time it is known";
    conv.expect_right();
  }
  EXPECT_EQ(said(""), 0);
  EXPECT_EQ(said_.size(), 2U) << "each process says once that it times";
}

TEST_F(PlanChoiceTest, TimesGradientsToo) {
  choose(true);
  const ChosenConv conv;
  const Tensor dx = Tensor::empty(conv.x.shape(), kGpu), dw = Tensor::empty(conv.w.shape(), kGpu);
  int runs = 0;
  const auto plans = plans_by(1, &runs);
  plans->data_gradient({.pad = 1}, conv.y, conv.w, dx);
  EXPECT_GE(runs, 6);
  plans->weight_gradient({.pad = 1}, conv.y, conv.x, dw);
  EXPECT_GE(runs, 12);
  const Tensor want_dx = Tensor::empty(dx.shape()), want_dw = Tensor::empty(dw.shape());
  backend(Device{}).conv2d_dx({.pad = 1}, conv.y.to({}), conv.w.to({}), want_dx);
  backend(Device{}).conv2d_dw({.pad = 1}, conv.y.to({}), conv.x.to({}), want_dw, {});
  EXPECT_TRUE(close(dx.to({}), want_dx, 1e-6));
  EXPECT_TRUE(close(dw.to({}), want_dw, 1e-6));
}

TEST_F(PlanChoiceTest, TakesTheFirstAndTimesNothingUnlessAsked) {
  choose(false);
  const ChosenConv conv;
  int runs = 0;
  const auto plans = plans_by(2, &runs);
  conv.run(*plans);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(conv.choice(*plans), cuda::plan_conv(conv.problem(), gpu()).choice);
  EXPECT_TRUE(said_.empty());
}

// What the caller adds is still there after all the plans that were tried, and is added once.
TEST_F(PlanChoiceTest, LeavesWhatIsAddedTo) {
  choose(true);
  const Tensor bias = random_tensor({32}, 3, -1, 1, kGpu);
  for (const bool accumulate : {false, true}) {
    const Conv2dSpec spec{.pad = 1, .act = {Act::leaky_relu, 0.3F}, .accumulate = accumulate};
    const ChosenConv conv;
    const auto plans = plans_by(1);
    conv.run(*plans, spec, bias);
    conv.expect_right(spec, bias);
  }
}

// The clock of the doubles counts pieces of work: where plans do the same, the first stays.
TEST_F(PlanChoiceTest, AsksTheGpuUnlessTold) {
  choose(true);
  const ChosenConv conv;
  const auto plans = make_conv_plans();
  const i64 before = times_called("cudaEventElapsedTime");
  conv.run(*plans);
  EXPECT_GT(times_called("cudaEventElapsedTime"), before);
  EXPECT_EQ(conv.choice(*plans), proposed(conv.problem(), gpu()).front());
  EXPECT_EQ(doubles::live().events, 0);
}

// The part of a batch may begin anywhere; the doubles refuse a plan that was promised more.
TEST_F(PlanChoiceTest, IsToldHowPartsOfABatchAreAligned) {
  choose(true);
  const Tensor x = random_tensor({2, 5, 5, 3}, 1, -1, 1, kGpu), w = random_tensor({4, 3, 3, 3}, 2, -1, 1, kGpu);
  const Tensor y = Tensor::empty({2, 5, 5, 4}, kGpu), want = Tensor::empty(y.shape());
  const auto plans = make_conv_plans();
  for (const i64 part : {0, 1}) plans->forward({.pad = 1}, x.rows(part, part + 1), w, {}, y.rows(part, part + 1));
  MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
  EXPECT_EQ(plans->created(), 2);
  backend(Device{}).conv2d({.pad = 1}, x.to({}), w.to({}), {}, want);
  EXPECT_TRUE(close(y.to({}), want, 1e-6));
}

TEST_F(PlanChoiceTest, FallsBackToAPlanThatFindsRoomAndDoesNotKeepIt) {
  for (const bool timed : {false, true}) {
    choose(timed, folder_);
    const ChosenConv conv(96, 96, kRoundingGpu);
    const ConvPlan best = cuda::plan_conv(conv.problem(), gpu());
    ASSERT_GT(best.workspace_bytes, std::size_t{1} << 19);
    doubles::limit_memory(std::size_t(backend(kGpu).pool_stats().bytes_in_use) + (std::size_t{1} << 19));
    const auto plans = make_conv_plans();
    conv.run(*plans);
    doubles::limit_memory(doubles::kNoLimit);
    conv.expect_right();
    EXPECT_NE(conv.choice(*plans), best.choice);
    EXPECT_EQ(said("no memory for the workspace"), 1) << "timed: " << timed;
    EXPECT_TRUE(files().empty());
    said_.clear();
  }
}

TEST_F(PlanChoiceTest, SaysOnceThatCudnnCannotCompile) {
  if (dlopen("libcuda.so.1", RTLD_LAZY)) GTEST_SKIP() << "here it can";
  choose(false);
  const auto plans = make_conv_plans();
  const Conv2dSpec spec{.pad = 1, .act = {Act::leaky_relu, 0.3F}};
  for (const i64 height : {5, 6}) {
    const ChosenConv conv(height);
    conv.run(*plans, spec);
    conv.expect_right(spec);
  }
  EXPECT_EQ(said("cuDNN compiles no kernels (the driver was not found)"), 1);
  EXPECT_EQ(said_.size(), 1U);
}

/// Runs the convolution while this call is to fail; what is said of it.
std::string error_of(const ChosenConv& conv) {
  try {
    const auto plans = make_conv_plans();
    conv.run(*plans);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    return error.what();
  }
  return "";
}

TEST_F(PlanChoiceTest, ACallThatFailsWhileTimingIsAnErrorAndLeavesNothing) {
  choose(true, folder_);
  const ChosenConv conv;
  const doubles::Live before = doubles::live();
  for (const std::string call :
       {"cudaEventCreateWithFlags", "cudaEventRecord", "cudaEventSynchronize", "cudaEventElapsedTime",
        "cudnnBackendExecute", "cudnnBackendFinalize", "cudnnBackendSetAttribute", "cudnnBackendGetAttribute"}) {
    doubles::fail_call(call);
    const std::string said = error_of(conv);
    EXPECT_NE(said.find(call), std::string::npos) << call << "; said: " << said;
    doubles::fail_call(-1);
    EXPECT_TRUE(files().empty()) << call;
    EXPECT_EQ(doubles::live().events, before.events) << call;
    EXPECT_EQ(doubles::live().descriptors, before.descriptors) << call;
  }
  EXPECT_EQ(error_of(conv), "");
  EXPECT_EQ(files().size(), 1U);
  conv.expect_right();
}

// A kernel that was queued before, and fails while a plan is timed, is not the plan's fault, nor a reason to take
// another.
TEST_F(PlanChoiceTest, AFaultOfEarlierWorkEndsTheTiming) {
  choose(true, folder_);
  const ChosenConv conv;
  doubles::trouble() = "an earlier kernel failed";
  cuda::runtime().compute.operator cudaStream_t()->work->push([] { return cudaErrorLaunchFailure; });
  EXPECT_NE(error_of(conv).find("an earlier kernel failed"), std::string::npos);
  EXPECT_TRUE(files().empty());
}

TEST_F(PlanChoiceTest, AsksForTheGpuByHandleWhereItsIndexIsRefused) {
  doubles::refuse_device_index(true);
  const ChosenConv conv;
  const auto plans = make_conv_plans();
  conv.run(*plans);
  EXPECT_THROW(cuda::device_properties(0, nullptr), Error);
  doubles::refuse_device_index(false);
  conv.expect_right();
}

}  // namespace
}  // namespace md::test
