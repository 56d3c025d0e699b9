// Every convolution and gradient of a training step has an execution plan in cuDNN that is deterministic, exact where
// it is to be exact, and content with little memory. Asks cuDNN's own heuristics and finalises its own plans for GPUs
// that need not be there; nothing is executed. Prints a row for each plan, for each matrix product (cuBLAS has no
// plans), and what workspaces a step wants.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>

#include "tests/cuda/gpu_profile.h"
#include "tests/cuda/recording_backend.h"
#include "tests/kit/testing.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

using cuda::ConvPass;
using cuda::ConvPlan;
using cuda::ConvProblem;
using cuda::Descriptor;
using test::GpuProfile;

/// A training step, as far as its convolutions and products are concerned.
struct StepSize {
  std::string net;
  i64 batch, height, width;
  auto operator<=>(const StepSize&) const = default;
  std::string str() const { return cat(net, " ", batch, "x", height, "x", width); }
};

/// What the published configurations train on, and what mdbench measures.
std::set<StepSize> training_sizes() {
  std::set<StepSize> sizes{{"lt", 4, 416, 544}};
  for (const auto& entry : std::filesystem::directory_iterator(test::source_dir() + "/tools/configs")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("nyu_") && !name.starts_with("kitti_")) continue;
    CLI::App app;
    TrainOptions o;
    add_train_options(app, o);
    app.parse("--config " + entry.path().string());
    sizes.insert({o.net, o.batch, o.augment.height, o.augment.width});
  }
  return sizes;
}

/// Recorded once a process.
const test::StepWork& work_of(const StepSize& size) {
  static std::map<StepSize, test::StepWork> known;
  const auto found = known.find(size);
  if (found != known.end()) return found->second;
  return known[size] = test::work_of_step(size.net, size.batch, size.height, size.width);
}

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::vector<cudnnBackendNumericalNote_t> notes_of(const ConvPlan& plan) {
  const auto config =
      plan.plan.get_descriptors(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  const auto engine = config.at(0).get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  return engine.at(0).get_list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
}

bool has(const ConvPlan& plan, cudnnBackendNumericalNote_t note) {
  const auto notes = notes_of(plan);
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

/// One line of the table: a pass of a step.
struct Line {
  int plans = 0, bias = 0, fused_bias = 0, act = 0, fused_act = 0;
  std::size_t most_bytes = 0;
  std::string most = "-";

  void add(const ConvProblem& p, const ConvPlan& plan) {
    ++plans;
    bias += p.bias;
    fused_bias += plan.choice.adds_bias;
    act += p.spec.act.kind != Act::none;
    fused_act += plan.choice.activates;
    if (plan.workspace_bytes <= most_bytes) return;
    most_bytes = plan.workspace_bytes;
    most = p.str();
  }
};

std::ostream& operator<<(std::ostream& out, const Line& l) {
  return out << std::setw(5) << l.plans << std::setw(9) << cat(l.fused_bias, "/", l.bias) << std::setw(13)
             << cat(l.fused_act, "/", l.act) << std::setw(11) << std::fixed << std::setprecision(1)
             << mebibytes(l.most_bytes) << "  " << l.most << "\n";
}

struct Target {
  GpuProfile gpu;
  DType dtype;
  friend std::ostream& operator<<(std::ostream& out, const Target& t) {
    return out << "sm_" << t.gpu.sm << "_" << name_of(t.dtype);
  }
};

/// The same bits on every run, and f32 is f32.
void expect_trustworthy(const ConvProblem& p, const ConvPlan& plan) {
  EXPECT_FALSE(has(plan, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) << p.str();
  EXPECT_FALSE(p.dtype == DType::f32 && has(plan, CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) << p.str();
}

class ConvolutionPlans : public testing::TestWithParam<Target> {
 protected:
  /// cuDNN loads and unloads the run-time compiler (100 MB) for each graph, unless it is there to stay.
  static void SetUpTestSuite() { dlopen(cat("libnvrtc.so.", CUDART_VERSION / 1000).c_str(), RTLD_LAZY); }

  Descriptor device_ = test::describe(GetParam().gpu);

  ConvProblem in_dtype(ConvProblem p) const {
    p.dtype = GetParam().dtype;
    return p;
  }
};

TEST_P(ConvolutionPlans, ExistForEveryConvolutionOfTheTrainingSteps) {
  std::ostringstream summary;
  summary << GetParam() << ", cuDNN " << cudnnGetVersion()
          << "\nstep                        pass   plans  + bias  + leaky_relu  most MiB  for\n";
  for (const StepSize& size : training_sizes()) {
    Line lines[3];
    for (const ConvProblem& recorded : work_of(size).convolutions) {
      const ConvProblem p = in_dtype(recorded);
      try {
        const ConvPlan plan = cuda::plan_conv(p, device_);
        expect_trustworthy(p, plan);
        lines[static_cast<int>(p.pass)].add(p, plan);
        std::cout << p.str() << ": engine " << plan.choice.engine << ", " << mebibytes(plan.workspace_bytes)
                  << " MiB\n";
      } catch (const Error& e) {
        ADD_FAILURE() << e.what();
      }
    }
    const char* const passes[] = {"y", "dx", "dw"};
    for (int pass = 0; pass < 3; ++pass) {
      summary << std::left << std::setw(28) << size.str() << std::setw(6) << passes[pass] << std::right << lines[pass];
      EXPECT_GT(lines[pass].plans, 0) << size.str();
    }
  }
  std::cout << summary.str();
}

// cuBLAS has an engine for any product whose sizes are 32-bit numbers: what it takes and what the step wants.
TEST(MatrixProducts, OfTheTrainingStepsFitCublas) {
  std::cout << "step                             m       n       k  a  b  + bias   GFLOP\n";
  i64 products = 0;
  for (const StepSize& size : training_sizes()) {
    for (const test::Product& p : work_of(size).products) {
      EXPECT_LE(std::max({p.m, p.n, p.k}), std::numeric_limits<int>::max()) << size.str();
      ++products;
      std::cout << std::left << std::setw(26) << size.str() << std::right << std::setw(8) << p.m << std::setw(8) << p.n
                << std::setw(8) << p.k << (p.transpose_a ? "  t" : "   ") << (p.transpose_b ? "  t" : "   ")
                << (p.bias ? "     yes" : "        ") << std::setw(8) << std::fixed << std::setprecision(1)
                << 2e-9 * double(p.m) * double(p.n) * double(p.k) << "\n";
    }
  }
  EXPECT_GT(products, 0);
}

/// Strided along H alone, dilated along W alone, grouped with two channels a group, one channel, a batch of one: no net
/// has them yet, and each is a corner of the descriptors.
TEST_P(ConvolutionPlans, ExistForOddConvolutions) {
  const ConvPass passes[] = {ConvPass::forward, ConvPass::data_gradient, ConvPass::weight_gradient};
  for (const ConvPass pass : passes) {
    const Conv2dSpec uneven{.stride = {2, 1}, .pad = {1, 2}, .dilation = {1, 2}};
    const Conv2dSpec grouped{.pad = 1, .groups = 4};
    const DType t = GetParam().dtype;
    for (const ConvProblem& p : {cuda::describe_conv(pass, uneven, {1, 9, 7, 16}, {8, 3, 3, 16}, {1, 5, 7, 8}, t),
                                 cuda::describe_conv(pass, grouped, {2, 9, 7, 8}, {16, 3, 3, 2}, {2, 9, 7, 16}, t),
                                 cuda::describe_conv(pass, {}, {3, 5, 4, 1}, {1, 1, 1, 1}, {3, 5, 4, 1}, t)}) {
      EXPECT_NO_THROW(cuda::plan_conv(p, device_)) << p.str();
    }
  }
}

/// Kernels with an activation are compiled at run time and loaded by the driver; driver_double.cpp will do.
class FusedConvolutionPlans : public ConvolutionPlans {
  void SetUp() override {
    if (!dlopen("libcuda.so.1", RTLD_LAZY)) GTEST_SKIP() << "no driver, nor its double (ctest knows where that is)";
  }
};

TEST_P(FusedConvolutionPlans, TakeBiasAndActivationAlong) {
  for (const Shape& w : {Shape{256, 1, 1, 960}, Shape{32, 3, 3, 64}}) {
    const int pad = static_cast<int>(w[1]) / 2;
    ConvProblem p = in_dtype(cuda::describe_conv(ConvPass::forward, {.pad = pad, .act = {Act::leaky_relu, 0.2F}},
                                                 {4, 52, 68, w[3]}, w, {4, 52, 68, w[0]}, DType::f32));
    p.bias = true;
    const ConvPlan plan = cuda::plan_conv(p, device_);
    EXPECT_TRUE(plan.choice.adds_bias && plan.choice.activates) << p.str();
    expect_trustworthy(p, plan);
    p.spec.act = {};
    EXPECT_TRUE(cuda::plan_conv(p, device_).choice.adds_bias) << p.str();
  }
}

std::vector<Target> all_targets() {
  std::vector<Target> targets;
  for (const GpuProfile& gpu : {test::kA100, test::kRtx3090, test::kH100, test::kB200}) {
    for (const DType dtype : {DType::f32, DType::bf16}) targets.push_back({gpu, dtype});
  }
  return targets;
}
std::string name_of_target(const testing::TestParamInfo<Target>& target) { return cat(target.param); }
INSTANTIATE_TEST_SUITE_P(Gpus, ConvolutionPlans, testing::ValuesIn(all_targets()), name_of_target);
INSTANTIATE_TEST_SUITE_P(Gpus, FusedConvolutionPlans, testing::ValuesIn(all_targets()), name_of_target);

/// 3x3 on a map of the decoder: an ordinary case, for the tests that want one to go wrong.
ConvProblem ordinary(ConvPass pass, DType dtype = DType::f32) {
  return cuda::describe_conv(pass, {.pad = 1}, {4, 52, 68, 64}, {64, 3, 3, 64}, {4, 52, 68, 64}, dtype);
}

TEST(ConvolutionPlan, DoesNotExistForShapesThatDoNotFit) {
  const Descriptor device = test::describe(test::kA100);
  ConvProblem p = ordinary(ConvPass::forward);
  EXPECT_NO_THROW(cuda::plan_conv(p, device));
  p.y[1] += 1;
  EXPECT_THROW(cuda::plan_conv(p, device), Error);
}

TEST(ConvolutionPlan, DoesNotExistForBf16BeforeAmpere) {
  try {
    cuda::plan_conv(ordinary(ConvPass::forward, DType::bf16), test::describe(test::kRtx2080));
    FAIL() << "sm_75 has no bf16";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("forward bf16 [4,52,68,64] * [64,3,3,64]"), std::string::npos) << e.what();
  }
}

TEST(ConvolutionPlan, UsesTensorCoresForF32WhereTf32IsAllowed) {
  const Descriptor device = test::describe(test::kA100);
  ConvProblem p = ordinary(ConvPass::forward);
  EXPECT_FALSE(has(cuda::plan_conv(p, device), CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
  p.tf32 = true;
  EXPECT_TRUE(has(cuda::plan_conv(p, device), CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
}

TEST(RecordedConvolutions, AreThoseOfTheNetwork) {
  const std::set<ConvProblem> found = test::work_of_step("lt", 2, 64, 96).convolutions;
  const auto count = [&](auto what) { return std::count_if(found.begin(), found.end(), what); };
  // The image wants no gradient; every weight does.
  EXPECT_EQ(count([](const ConvProblem& p) { return p.pass == ConvPass::data_gradient && p.x[3] == 3; }), 0);
  EXPECT_EQ(count([](const ConvProblem& p) { return p.pass == ConvPass::weight_gradient && p.x[3] == 3; }), 1);
  EXPECT_EQ(count([](const ConvProblem& p) { return p.x[0] != 2; }), 0);
  EXPECT_GT(count([](const ConvProblem& p) { return p.spec.groups > 1; }), 20);
}

// The first stage of Swin tiny: 96 channels, four times that in its MLP; 2 * (64/4) * (96/4) pixels.
TEST(RecordedProducts, AreThoseOfTheNetwork) {
  const std::set<test::Product> found = test::work_of_step("newcrfs_tiny07", 2, 64, 96).products;
  constexpr i64 kPixels = 2 * 16 * 24, kWidth = 96;
  EXPECT_TRUE(found.contains({false, true, true, kPixels, 4 * kWidth, kWidth}));
  EXPECT_TRUE(found.contains({false, false, false, kPixels, kWidth, 4 * kWidth}));
  EXPECT_TRUE(found.contains({true, false, false, 4 * kWidth, kWidth, kPixels}));
}

}  // namespace
}  // namespace md
