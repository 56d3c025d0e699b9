// The table of ops of mdbench: that it knows each op of the networks, counts them, and runs each again as it was.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/autograd.h"
#include "layers/ops.h"
#include "losses/silog.h"
#include "nets/registry.h"
#include "tests/kit/bf16.h"
#include "tools/bench/bench_replay.h"
#include "tools/bench/bench_trace.h"

namespace md {
namespace {

Tensor of(const OpInput& input, Device device) {
  if (!input.given) return {};
  const Tensor t = Tensor::full(input.shape, 0.5F, device, input.dtype);
  return input.wants_gradient ? t.requires_grad_() : t;
}

/// Every op of a forward pass runs alone, and makes a map of the same size that is on the tape where it was.
void expect_replayed(const std::string& net, const std::vector<StepOp>& ops, Device device = {}) {
  ASSERT_FALSE(ops.empty());
  for (const StepOp& op : ops) {
    ASSERT_TRUE(can_replay(op)) << net << " runs the op '" << op.name << "', which tools/bench/bench_replay.cpp lacks";
    std::vector<Tensor> inputs;
    for (const OpInput& input : op.inputs) inputs.push_back(of(input, device));
    const Tensor y = replay(op, inputs);
    EXPECT_EQ(y.shape(), op.y) << net << " " << op.name;
    EXPECT_EQ(y.requires_grad(), op.recorded()) << net << " " << op.name;
  }
}

class BenchOps : public testing::TestWithParam<std::string> {
 protected:
  const std::shared_ptr<DepthNet> net_ = make_net(GetParam(), {});
  const Tensor image_ = Tensor::full({2, 64, 96, 3}, 0.5F);
};

TEST_P(BenchOps, OfATrainingStepCanAllBeRunAlone) {
  const Tensor target_m = Tensor::full({2, 64, 96}, 2.F);
  expect_replayed(GetParam(), ops_of([&] { silog(net_->forward(image_).depth_m, target_m, {}).backward(); }));
}

TEST_P(BenchOps, OfAnInferenceCanAllBeRunAlone) {
  net_->eval();
  expect_replayed(GetParam(), ops_of([&] {
                    const NoGrad off;
                    net_->forward(image_);
                  }));
}

TEST_P(BenchOps, OfATrainingStepInBf16CanAllBeRunAlone) {
  const test::EmulatedBf16 on;
  const Device device = test::kBf16Cpu;
  net_->to(device);
  const Tensor image = image_.to(device), target_m = Tensor::full({2, 64, 96}, 2.F, device);
  const std::vector<StepOp> ops = ops_of([&] { silog(net_->forward(image).depth_m, target_m, {}).backward(); });
  const auto is_bf16 = [](const StepOp& op) { return op.inputs[0].dtype == DType::bf16; };
  EXPECT_GT(2 * std::count_if(ops.begin(), ops.end(), is_bf16), std::ptrdiff_t(ops.size()));
  expect_replayed(GetParam(), ops, device);
}

INSTANTIATE_TEST_SUITE_P(Networks, BenchOps, testing::Values("lt", "bts", "newcrfs_tiny07"));

TEST(BenchTrace, ListsEqualOpsOnceAndCountsThem) {
  const Tensor x = Tensor::full({1, 8, 8, 4}, 1.F), other = Tensor::full({1, 8, 4, 4}, 1.F);
  const Tensor wanted = x.clone().requires_grad_(), w = Tensor::full({4, 3, 3, 4}, 1.F);
  const std::vector<StepOp> ops = ops_of([&] {
    for (int i = 0; i < 3; ++i) relu(x);
    relu(other);
    relu(wanted);
    conv2d(x, w, {}, {.pad = 1});
    conv2d(x, w, {}, {.pad = 2, .dilation = 2});
  });
  ASSERT_EQ(ops.size(), 5);
  EXPECT_EQ(ops[0].count, 3);
  EXPECT_TRUE(ops[2].recorded());
  EXPECT_EQ(ops[3].details, "3x3 to 4");
  EXPECT_EQ(ops[4].details, "3x3 d2 to 4");
}

/// Taps on the padding are no work: of a 3x3 convolution of 4x4 pixels, 10 of 12 along each side lie on the image.
TEST(BenchReplay, CountsTheFlopsOnTheImage) {
  const Tensor x = Tensor::full({1, 4, 4, 5}, 1.F), w = Tensor::full({7, 3, 3, 5}, 1.F);
  const std::vector<StepOp> ops = ops_of([&] { conv2d(x, w, {}, {.pad = 1}); });
  EXPECT_EQ(flops_of(ops.at(0)), 2. * 5 * 7 * 10 * 10);
}

}  // namespace
}  // namespace md
