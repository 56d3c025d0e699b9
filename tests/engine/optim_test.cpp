// Adam and AdamW for tensors of every size, against the definition of lesson 14 (tests/lessons/14_adam.h); PyTorch's
// trajectories are in the golden tests (optim/).
#include "engine/optim.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kit/testing.h"
#include "tests/lessons/14_adam.h"

namespace md {
namespace {

// Sizes below, at and above one row of the launch.
constexpr i64 kSizes[] = {1, 3, 1024, 2500};
constexpr int kSteps = 5;
constexpr double kLr = 1e-2;

std::vector<Module::Entry> parameters(std::uint64_t seed) {
  std::vector<Module::Entry> entries;
  for (const i64 size : kSizes) {
    entries.push_back({cat("p", size), test::random_tensor({size}, seed + std::uint64_t(size)), Layout::same});
    entries.back().tensor.requires_grad_();
  }
  return entries;
}

Tensor gradient(const Module::Entry& entry, int step) {
  return test::random_tensor(entry.tensor.shape(),
                             1000 + std::uint64_t(step * 100) + std::uint64_t(entry.tensor.numel()));
}

void run_steps(Adam& adam, const std::vector<Module::Entry>& entries, int from, int to) {
  for (int k = from; k < to; ++k) {
    for (const auto& entry : entries) entry.tensor.set_grad(gradient(entry, k));
    adam.step(kLr / (k + 1));
  }
}

void expect_follows_reference(const AdamSpec& spec, float decay) {
  const auto entries = parameters(1);
  std::vector<std::vector<double>> start;
  for (const auto& entry : entries) start.push_back(test::to_double(entry.tensor));
  lessons::adam::Plan plan{.decay = double(decay), .spec = spec};
  for (int k = 0; k < kSteps; ++k) plan.lr.push_back(kLr / (k + 1));
  Adam adam({{entries, decay}}, spec);
  run_steps(adam, entries, 0, kSteps);
  for (std::size_t e = 0; e < entries.size(); ++e) {
    test::Arrays gradients;
    for (int k = 0; k < kSteps; ++k) gradients.emplace_back(gradient(entries[e], k));
    std::vector<double> want;
    for (std::size_t i = 0; i < start[e].size(); ++i)
      want.push_back(lessons::adam::stepped(start[e][i], gradients, i64(i), plan));
    // Float rounding of a handful of operations a step.
    EXPECT_LE(test::relative_l2(test::to_double(entries[e].tensor), want), 1e-6) << entries[e].name;
  }
}

TEST(OptimTest, AdamWFollowsItsDefinition) { expect_follows_reference({}, 0.1F); }
TEST(OptimTest, AdamFollowsItsDefinition) { expect_follows_reference({.decoupled_decay = false}, 0.1F); }
TEST(OptimTest, LargeEpsilonStandsOutsideTheRoot) { expect_follows_reference({.eps = 1e-1}, 0.F); }

TEST(OptimTest, GroupsHaveTheirOwnDecay) {
  const auto with = parameters(1), without = parameters(1);
  Adam adam({{with, 0.5F}, {without, 0.F}}, {});
  for (const auto* entries : {&with, &without}) {
    for (const auto& entry : *entries) entry.tensor.set_grad(Tensor::zeros(entry.tensor.shape()));
  }
  const float before = with[0].tensor.item();
  adam.step(0.1);
  EXPECT_FLOAT_EQ(with[0].tensor.item(), before * 0.95F);
  EXPECT_EQ(without[0].tensor.item(), before);
}

TEST(OptimTest, NoGradientNoUpdate) {
  const auto entries = parameters(1);
  Adam adam({{entries, 0.1F}}, {});
  entries[0].tensor.set_grad(Tensor::full({1}, 1));
  const auto before = entries[1].tensor.to_host();
  const auto version = entries[0].tensor.version(), still = entries[1].tensor.version();
  adam.step(0.1);
  EXPECT_EQ(entries[1].tensor.to_host(), before);
  EXPECT_EQ(entries[1].tensor.version(), still);
  EXPECT_GT(entries[0].tensor.version(), version) << "copies derived from the weight would go stale unnoticed";
  adam.zero_grad();
  EXPECT_FALSE(entries[0].tensor.grad());
}

TEST(OptimTest, EveryParameterCountsItsOwnSteps) {
  // As torch.optim: the first update that a parameter sees has the bias correction of step 1, whenever it comes.
  const auto early = parameters(1), late = parameters(1);
  Adam on_time({{early, 0.1F}}, {}), delayed({{late, 0.1F}}, {});
  early[1].tensor.set_grad(gradient(early[1], 0));
  on_time.step(kLr);
  for (int k = 0; k < 3; ++k) {
    late[0].tensor.set_grad(gradient(late[0], k));
    if (k == 2) late[1].tensor.set_grad(gradient(late[1], 0));
    delayed.step(kLr);
  }
  EXPECT_EQ(late[1].tensor.to_host(), early[1].tensor.to_host());
  const State state = delayed.state();
  EXPECT_EQ(state.at("step.p1").item(), 3.F);
  EXPECT_EQ(state.at("step.p3").item(), 1.F);
  EXPECT_EQ(state.at("step.p1024").item(), 0.F);
}

TEST(OptimTest, RefusesAStepCountThatIsNone) {
  for (const float bad : {-1.F, 0.5F, std::nanf("")}) {
    Adam adam({{parameters(1), 0.1F}}, {});
    State state = adam.state();
    state.at("step.p3") = Tensor::full({}, bad);
    EXPECT_THROW(adam.load(state), Error) << bad;
  }
}

TEST(OptimTest, StateContinuesBitForBit) {
  const auto straight = parameters(1), broken = parameters(1);
  Adam one({{straight, 0.1F}}, {});
  run_steps(one, straight, 0, kSteps);
  State saved;
  {
    Adam first({{broken, 0.1F}}, {});
    run_steps(first, broken, 0, 2);
    saved = first.state();
  }
  EXPECT_TRUE(saved.contains("exp_avg.p3") && saved.contains("exp_avg_sq.p3") && saved.contains("step.p3"));
  Adam second({{broken, 0.1F}}, {});
  second.load(saved);
  EXPECT_EQ(second.state().at("step.p3").item(), 2.F);
  run_steps(second, broken, 2, kSteps);
  for (std::size_t e = 0; e < straight.size(); ++e)
    EXPECT_EQ(straight[e].tensor.to_host(), broken[e].tensor.to_host()) << straight[e].name;
  saved.erase("exp_avg.p3");
  EXPECT_THROW(second.load(saved), Error);
}

TEST(OptimTest, PolynomialDecayStartsAtBaseAndEndsAtEnd) {
  EXPECT_DOUBLE_EQ(polynomial_lr(3e-4, 3e-5, 0, 800), 3e-4);
  EXPECT_DOUBLE_EQ(polynomial_lr(3e-4, 3e-5, 800, 800), 3e-5);
  EXPECT_DOUBLE_EQ(polynomial_lr(1e-4, 1e-5, 1, 5), 9e-5 * std::pow(0.8, 0.9) + 1e-5);
  EXPECT_THROW(polynomial_lr(1e-4, 1e-5, 0, 0), Error);
  EXPECT_THROW(polynomial_lr(1e-4, 1e-5, 6, 5), Error);
}

}  // namespace
}  // namespace md
