// --accumulate N: a step's gradient is the mean of the gradients of N batches, and that of one batch of all their
// samples wherever the loss of that is the mean of theirs.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <optional>

#include "nets/registry.h"
#include "tests/kit/testing.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

using test::close;
using test::random_tensor;

Tensor joined(const Tensor& a, const Tensor& b) {
  std::vector<float> values = a.to_host(), more = b.to_host();
  values.insert(values.end(), more.begin(), more.end());
  std::vector<i64> dims = {a.dim(0) + b.dim(0)};
  for (int axis = 1; axis < a.shape().rank(); ++axis) dims.push_back(a.dim(axis));
  return Tensor::from_host(values, Shape(dims));
}

Batch joined(const Batch& a, const Batch& b) {
  return {.image = joined(a.image, b.image), .depth_m = joined(a.depth_m, b.depth_m), .focal_px = {}, .names = {}};
}

Batch two_frames(std::uint64_t seed) {
  return {.image = random_tensor({2, 32, 64, 3}, seed),
          .depth_m = random_tensor({2, 32, 64}, seed + 1, 1.F, 9.F),
          .focal_px = {},
          .names = {}};
}

/// LT's forward and backward of one step. Batch norms on their running statistics: a sample's depth is its own.
struct Step {
  explicit Step(int accumulate, bool metric_depth = false, bool frozen = true) {
    options.accumulate = accumulate;
    options.freeze_statistics = frozen;
    options.metric_depth = metric_depth;
    options.metric.ranges = parse_ranges(options.ranges, options.margins);
    net = make_net("lt", {.seed = 4});
    train.emplace(options, *net, 100);
  }
  StepLosses run(const Batch& batch, i64 number) {
    train->begin(batch, number);
    for (const Module::Entry& p : net->parameters()) gradients[p.name] = p.tensor.grad().clone();
    return train->finish();
  }
  TrainOptions options;
  std::unique_ptr<DepthNet> net;
  std::optional<TrainStep> train;
  State gradients;
};

// Float rounding of sums in another order; the gradients of a bias before a saturated activation are nearly zero.
constexpr double kRounding = 2e-5;

void expect_close(const State& got, const State& want) {
  for (const auto& [name, gradient] : got) EXPECT_TRUE(close(gradient, want.at(name), kRounding)) << name;
}

TEST(Accumulate, EqualsTheLargerBatch) {
  // The scale-invariant loss is not additive: the root of the variance of two batches is the mean of theirs where these
  // are equal.
  const Batch half = two_frames(1);
  Step parts(2), whole(1);
  const StepLosses in_parts = parts.run(joined(half, half), 0), at_once = whole.run(joined(half, half), 0);
  EXPECT_NEAR(in_parts.total, at_once.total, 1e-5 * at_once.total);
  expect_close(parts.gradients, whole.gradients);
}

TEST(Accumulate, IsTheMeanOverDifferentParts) {
  const Batch a = two_frames(1), b = two_frames(3);
  constexpr i64 kStep = 5;
  Step parts(2, true), first(1, true), second(1, true);
  const StepLosses both = parts.run(joined(a, b), kStep);
  // MetricDepth's shifts are drawn by the number of the part, counted through the run.
  const StepLosses of_a = first.run(a, 2 * kStep), of_b = second.run(b, 2 * kStep + 1);
  EXPECT_NEAR(both.part("silog"), (of_a.part("silog") + of_b.part("silog")) / 2, 1e-6 * both.part("silog"));
  EXPECT_NEAR(both.part("metric_depth"), (of_a.part("metric_depth") + of_b.part("metric_depth")) / 2,
              1e-6 * both.part("metric_depth"));
  EXPECT_NEAR(both.total, both.part("silog") + both.part("metric_depth"), 1e-6 * both.total);
  EXPECT_FALSE(close(first.gradients.at("predict.weight"), second.gradients.at("predict.weight"), 0.01));
  State mean;
  for (const auto& [name, gradient] : first.gradients) {
    std::vector<float> values = gradient.to_host(), others = second.gradients.at(name).to_host();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = (values[i] + others[i]) / 2;
    mean[name] = Tensor::from_host(values, gradient.shape());
  }
  expect_close(parts.gradients, mean);
}

TEST(Accumulate, SaysOnceWhatEveryPartWouldSay) {
  Step parts(2, true);  // of one image each: none has samples across images
  const Batch two = two_frames(1);
  const StepLosses losses = parts.run(two, 0);
  ASSERT_EQ(losses.notes.size(), 1U);
  EXPECT_NE(losses.notes.begin()->find("no samples across images"), std::string::npos);
}

TEST(Accumulate, OneBadPartSkipsTheWholeStep) {
  Step parts(2, false, false);
  const State before = parts.net->state();
  Batch batch = joined(two_frames(1), two_frames(3));
  batch.image.data()[batch.image.numel() - 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(parts.run(batch, 0).not_finite, "loss");
  for (const auto& [name, tensor] : parts.net->state())
    EXPECT_EQ(std::memcmp(tensor.raw(), before.at(name).raw(), tensor.bytes()), 0) << name;
  batch.image.data()[batch.image.numel() - 1] = 0;
  EXPECT_FALSE(parts.run(batch, 1).skipped());
  EXPECT_EQ(parts.net->state().at("encoder.features.0.1.num_batches_tracked").data<std::int32_t>()[0], 2)
      << "batch norm sees the parts";
}

}  // namespace
}  // namespace md
