// A worked example: a new term of the loss. It would be an entry of loss_terms() in tools/train/loss_terms.cpp, and the
// option that asks for it a member of TrainOptions with its row in tools/train/train_command.cpp.
#include <cmath>

#include "layers/ops.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

/// weight times the mean of the features' squares, which keeps them small.
LossTerm small_features(float weight) {
  return {"small_features",
          [weight](const LossInput& in) { return scale(mean(multiply(in.maps.features, in.maps.features)), weight); }};
}

/// The losses of a step with the paper's terms and this one.
StepLosses step_with(float weight, DepthNet& net) {
  TrainOptions options;
  options.metric_depth = true;
  std::vector<LossTerm> terms = loss_terms(options);
  terms.push_back(small_features(weight));
  TrainStep step(options, net, 10, terms);
  Batch batch;
  batch.image = test::random_tensor({2, 32, 64, 3}, 1);
  batch.depth_m = test::random_tensor({2, 32, 64}, 2, 1, 9);
  step.begin(batch, 0);
  return step.finish();
}

TEST(NewLoss, IsAddedToTheTotalAndReported) {
  const auto net = make_net("lt", {.seed = 1});
  const StepLosses losses = step_with(0.5F, *net);
  ASSERT_FALSE(losses.skipped());
  EXPECT_GT(losses.part("small_features"), 0);
  EXPECT_NEAR(losses.total, losses.part("silog") + losses.part("metric_depth") + losses.part("small_features"), 1e-5);
}

TEST(NewLoss, MovesTheWeights) {
  const auto with = make_net("lt", {.seed = 1}), without = make_net("lt", {.seed = 1});
  step_with(100, *with);
  step_with(0, *without);
  EXPECT_NE(with->state().at("up4.conv2.weight").to_host(), without->state().at("up4.conv2.weight").to_host());
}

}  // namespace
}  // namespace md
