// What the tests that train on a GPU share. They run on a real one (label `gpu`) and on the doubles (tests/cuda).
#pragma once
#include <gtest/gtest.h>

#include <array>

#include "engine/backend.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"
#include "tools/train/train_step.h"

namespace md::test {

const Device kGpu{Device::cuda};

/// Skipped by name where there is no GPU.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_gpu(); !why.empty()) GTEST_SKIP() << why;
  }
};

inline TrainOptions with_metric_depth(bool cuda_graph = true) {
  TrainOptions o;
  o.cuda_graph = cuda_graph;
  o.metric_depth = true;
  o.adam = {.eps = 1e-6F};
  o.weight_decay = 0.01F;
  return o;
}

inline std::unique_ptr<DepthNet> make_net_on(Device device, const std::string& name) {
  auto net = make_net(name, {.seed = 3});
  net->to(device);
  return net;
}

/// Steps on the GPU as mdtrain makes them: every batch goes through the input queue.
class FedTraining {
 public:
  explicit FedTraining(const std::string& net, Shape images = {2, 32, 64, 3}, bool cuda_graph = true)
      : options_(with_metric_depth(cuda_graph)),
        image_(random_tensor(images, 1)),
        depth_m_(random_tensor({images[0], images[1], images[2]}, 2, 0.5F, 9.F)),
        net_(make_net_on(kGpu, net)) {}

  /// The losses.
  std::vector<double> steps(int count) {
    std::vector<double> losses;
    for (int k = 0; k < count; ++k) {
      const std::vector<Tensor> here = queue_->push(std::array{image_, depth_m_});
      step_.begin({.image = here[0], .depth_m = here[1], .focal_px = {}, .names = {}}, done_++);
      const StepLosses made = step_.finish();
      EXPECT_EQ(made.not_finite, "");
      losses.push_back(made.total);
    }
    return losses;
  }
  const DepthNet& net() const { return *net_; }

 private:
  const TrainOptions options_;
  const Tensor image_, depth_m_;
  const std::unique_ptr<DepthNet> net_;
  const std::unique_ptr<InputQueue> queue_ = backend(kGpu).input_queue(kGpu);
  TrainStep step_{options_, *net_, 1000};
  i64 done_ = 0;
};

}  // namespace md::test
