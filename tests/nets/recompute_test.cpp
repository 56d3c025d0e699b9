// Activation checkpointing: a segment that keeps only its inputs has the same gradients, bit for bit, and less memory.
#include "engine/recompute.h"

#include "engine/backend.h"
#include "layers/ops.h"
#include "nets/window_block.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

TEST(Recompute, IsTransparentToTheGradientCheck) {
  const auto segment = [](const std::vector<Tensor>& in) { return multiply(gelu(in[0]), add(in[0], in[1])); };
  expect_gradcheck(
      [&](const std::vector<Tensor>& in) {
        return recompute(segment, {in[0], in[1]});
      },
      {random_tensor({3, 5}, 1), random_tensor({3, 5}, 2)});
}

TEST(Recompute, ReachesParametersThatAreNoInputs) {
  const Tensor x = random_tensor({2, 3}, 1).requires_grad_(), w = random_tensor({4, 3}, 2).requires_grad_();
  const auto segment = [&](const std::vector<Tensor>& in) { return linear(in[0], w, in[1]); };
  sum(recompute(segment, {x, Tensor()})).backward();
  const std::vector<float> dx = x.grad().to_host(), dw = w.grad().to_host();
  x.zero_grad();
  w.zero_grad();
  sum(segment({x, Tensor()})).backward();
  EXPECT_EQ(dx, x.grad().to_host());
  EXPECT_EQ(dw, w.grad().to_host());
}

TEST(Recompute, RunsOnceWhereNothingIsRecorded) {
  int runs = 0;
  const auto segment = [&](const std::vector<Tensor>& in) {
    ++runs;
    return gelu(in[0]);
  };
  EXPECT_FALSE(recompute(segment, {random_tensor({3}, 1)}).requires_grad());
  const NoGrad off;
  EXPECT_FALSE(recompute(segment, {random_tensor({3}, 1).requires_grad_()}).requires_grad());
  EXPECT_EQ(runs, 2);
}

WindowLayer six_blocks(bool recompute) {
  Rng rng(1, Purpose::init);
  return WindowLayer(
      rng, {.block = {.dim = 32, .heads = 4, .recompute = recompute}, .drop_rates = {0, 0.1, 0.2, 0.3, 0.4, 0.5}});
}

/// Gradients of the input and of every parameter after one training pass, in which blocks are dropped.
std::vector<std::vector<float>> gradients_of(const WindowLayer& layer, i64 step, i64 images = 3) {
  const Tensor x = random_tensor({images, 20, 30, 32}, 1).requires_grad_();
  const Tensor y = layer.forward(x, {}, {.seed = 3, .step = step});
  y.backward(random_upstream(y.shape(), 2));
  std::vector<std::vector<float>> all = {x.grad().to_host()};
  for (const Module::Entry& p : layer.parameters()) all.push_back(p.tensor.grad().to_host());
  return all;
}

TEST(RecomputeBlocks, GradientsAreTheSameBitForBit) {
  const WindowLayer plain = six_blocks(false), recomputed = six_blocks(true);
  const auto gradients = gradients_of(plain, 7);
  EXPECT_EQ(gradients_of(recomputed, 7), gradients);
  EXPECT_NE(gradients_of(six_blocks(true), 8), gradients);  // other blocks are dropped
}

TEST(RecomputeBlocks, NeedAtMostHalfOfTheMemory) {
  const auto peak_of = [](bool recompute) {
    const WindowLayer layer = six_blocks(recompute);
    const i64 before = backend({}).pool_stats().bytes_in_use;
    gradients_of(layer, 0, 12);  // more than any test before, for the peak never falls; so the smaller one goes first
    return backend({}).pool_stats().bytes_peak - before;
  };
  const i64 recomputed = peak_of(true), plain = peak_of(false);
  EXPECT_LE(2 * recomputed, plain);
}

}  // namespace
}  // namespace md::test
