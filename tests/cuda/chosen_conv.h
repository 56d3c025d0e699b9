// One convolution on the doubles whose plan is chosen, and a clock that says which of its plans is the fastest.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/cuda/conv_cudnn.h"
#include "engine/cuda/runtime.h"
#include "engine/cuda/saved_plan.h"
#include "engine/plan_choice.h"
#include "tests/cuda/doubles.h"
#include "tests/kit/testing.h"

namespace md::test {

inline const Device kGpu{Device::cuda}, kRoundingGpu{Device::cuda, 0, Precision::tf32};

/// Of the plans that are timed, this one is the fastest.
class ToldClock final : public cuda::PlanClock {
 public:
  explicit ToldClock(int fastest, int* runs = nullptr) : fastest_(fastest), runs_(runs) {}
  double ms(const std::function<void()>& run) override {
    run();
    MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
    if (runs_) ++*runs_;
    return run_++ / 3 == fastest_ ? 1 : 2;
  }

 private:
  int fastest_, run_ = 0;
  int* runs_;
};

inline std::unique_ptr<ConvPlans> plans_by(int fastest, int* runs = nullptr) {
  return make_conv_plans(kMostPlans, std::make_unique<ToldClock>(fastest, runs));
}

/// A forward convolution 3x3.
struct ChosenConv {
  Tensor x, w, y;
  explicit ChosenConv(i64 height = 13, i64 width = 17, Device device = kGpu)
      : x(random_tensor({1, height, width, 16}, 1, -1, 1, device)),
        w(random_tensor({32, 3, 3, 16}, 2, -1, 1, device)),
        y(Tensor::full({1, height, width, 32}, 0.5F, device)) {}

  /// Waits, so that the plans may go.
  void run(ConvPlans& plans, Conv2dSpec spec = {.pad = 1}, const Tensor& bias = {}) const {
    plans.forward(spec, x, w, bias, y);
    MD_CUDA(cudaStreamSynchronize(cuda::runtime().compute));
  }
  cuda::ConvProblem problem() const {
    auto p = cuda::describe_conv(cuda::ConvPass::forward, {.pad = 1}, x.shape(), w.shape(), y.shape(), DType::f32);
    p.tf32 = x.device() == kRoundingGpu;
    return p;
  }
  /// What the plans that ran it chose; they ran nothing else.
  static cuda::EngineChoice choice(const ConvPlans& plans) {
    const cuda::PlanList list = cuda::read_list(plans.chosen()).second;
    EXPECT_EQ(list.size(), 1U);
    return list.begin()->second;
  }
  void expect_right(Conv2dSpec spec = {.pad = 1}, const Tensor& bias = {}) const {
    const Tensor want = Tensor::full(y.shape(), 0.5F);
    backend(Device{}).conv2d(spec, x.to({}), w.to({}), bias ? bias.to({}) : Tensor(), want);
    EXPECT_TRUE(close(y.to({}), want, 1e-6));
  }
};

/// Chooses plans as a process of its own would, and leaves no trace.
class PlanChoices : public testing::Test {
 protected:
  void SetUp() override {
    backend(kGpu);
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    choose_plans({});
    doubles::limit_memory(doubles::kNoLimit);
    std::filesystem::remove_all(folder_);
  }
  void choose(bool timed, const std::string& folder = "") {
    choose_plans({timed, folder, [this](const std::string& line) { said_.push_back(line); }});
  }
  /// How many lines that hold these words were said, of those that are no announcement of the timing.
  i64 said(const std::string& words) const {
    return std::count_if(said_.begin(), said_.end(), [&](const std::string& line) {
      return line.find(words) != std::string::npos && !line.starts_with("timing plans");
    });
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    if (!std::filesystem::is_directory(folder_)) return all;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) all.push_back(entry.path());
    return all;
  }

  const std::string folder_ = testing::TempDir() + cat("plans-", ::getpid());
  std::vector<std::string> said_;
};

}  // namespace md::test
