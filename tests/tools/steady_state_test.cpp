// What a training step costs beyond its arithmetic: after the first steps no memory is asked of the system, no library
// primitive is made, and a weight's copy in the library's layout is redone exactly when the weight changed.
#include <gtest/gtest.h>

#include "engine/backend.h"
#include "engine/optim.h"
#include "layers/ops.h"
#include "losses/metric_depth.h"
#include "losses/silog.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

/// A small LT with its optimiser, trained on one random batch.
struct Training {
  std::unique_ptr<DepthNet> net = make_net("lt", {});
  Adam optimizer{{{net->parameters(), 0.01F}}, AdamSpec{}};
  Tensor image = test::random_tensor({2, 64, 96, 3}, 1), depth_m = test::random_tensor({2, 64, 96}, 2, 0.5F, 9.F);

  float step(i64 k) {
    const DepthMaps maps = net->forward(image);
    const Tensor& f = maps.features;
    const MetricDepthOptions options;
    const Tensor small = depth_to_feature_size(depth_m, f.dim(1), f.dim(2), DepthCell::nearest);
    const MetricDepthShifts shifts = draw_shifts(options, 0, k, f.dim(0), f.dim(1), f.dim(2));
    const Tensor loss = add(silog(maps.depth_m, depth_m, {}), metric_depth(f, small, shifts.list, options));
    loss.backward();
    optimizer.step(1e-3);
    optimizer.zero_grad();
    return loss.item();
  }
};

TEST(SteadyState, AsksForNoMemoryAndNoPrimitives) {
  Training training;
  for (i64 k = 0; k < 3; ++k) training.step(k);
  const i64 misses = backend({}).pool_stats().misses, primitives = backend({}).primitives_created();
  for (i64 k = 3; k < 6; ++k) training.step(k);
  EXPECT_EQ(backend({}).pool_stats().misses, misses);
  EXPECT_EQ(backend({}).primitives_created(), primitives);
}

TEST(SteadyState, TwoRunsAgreeBitForBit) {
  Training a, b;
  for (i64 k = 0; k < 3; ++k) EXPECT_EQ(a.step(k), b.step(k));
}

TEST(SteadyState, WeightsInTheLibrarysLayoutFollowTheWeights) {
  Training trained;
  trained.step(0);
  trained.step(1);
  const auto fresh = make_net("lt", {.seed = 99});
  fresh->load(trained.net->state());  // as a new process would
  trained.net->eval();
  fresh->eval();
  const NoGrad guard;
  const Tensor stale_or_not = trained.net->forward(trained.image).depth_m,
               truth = fresh->forward(trained.image).depth_m;
  EXPECT_EQ(stale_or_not.to_host(), truth.to_host());
}

}  // namespace
}  // namespace md
