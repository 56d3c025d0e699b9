// The tape. An op RETURNS gradients and the engine adds them; what nobody needs is not stored; long chains neither
// recurse nor keep memory.
#include "engine/autograd.h"

#include <gtest/gtest.h>

#include "engine/backend.h"
#include "layers/ops.h"
#include "tests/testing.h"

namespace md {
namespace {

Tensor leaf(std::vector<float> values) {
  const i64 n = static_cast<i64>(values.size());
  const Tensor t = Tensor::from_host(values, {n});
  t.requires_grad_();
  return t;
}

TEST(Autograd, AddsUpEveryPath) {
  // y = sum(a*b + a): dy/da = b + 1, dy/db = a
  const Tensor a = leaf({1, 2, 3}), b = leaf({4, 5, 6});
  sum(add(multiply(a, b), a)).backward();
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{5, 6, 7}));
  EXPECT_EQ(b.grad().to_host(), (std::vector<float>{1, 2, 3}));
}

TEST(Autograd, AccumulatesOverBackwards) {
  const Tensor a = leaf({2});
  sum(multiply(a, a)).backward();
  sum(multiply(a, a)).backward();
  EXPECT_EQ(a.grad().item(), 8.F);  // 4 + 4
  a.zero_grad();
  EXPECT_FALSE(a.grad());
}

TEST(Autograd, DoesNotAddIntoATensorThatTwoInputsShare) {
  // add() hands the same dy to both inputs; the second path into `a` must not change what `b` received.
  const Tensor a = leaf({1}), b = leaf({1});
  const Tensor s = add(a, b);
  sum(add(s, scale(a, 3.F))).backward();
  EXPECT_EQ(a.grad().item(), 4.F);
  EXPECT_EQ(b.grad().item(), 1.F);
}

TEST(Autograd, GradientsOfLeavesAreTheirOwnMemory) {
  // Whoever clips or scales one in place must not touch another's, nor what backward() was called with.
  const Tensor a = leaf({1, 2}), b = leaf({3, 4}), c = leaf({5, 6});
  const Tensor seed = Tensor::full({2}, 1.F);
  add(a, b).backward(seed);
  c.backward(seed);
  a.grad().data()[0] = 100.F;
  c.grad().data()[0] = 100.F;
  EXPECT_EQ(b.grad().to_host(), (std::vector<float>{1, 1}));
  EXPECT_EQ(seed.to_host(), (std::vector<float>{1, 1}));
}

TEST(Autograd, SeedScalesTheWalk) {
  const Tensor a = leaf({1, 2});
  scale(a, 3.F).backward(Tensor::from_host(std::vector<float>{10, 100}, {2}));
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{30, 300}));
}

TEST(Autograd, ViewsCarryGradients) {
  const Tensor a = leaf({1, 2, 3, 4});
  const Tensor second = a.reshape({2, 2}).rows(1, 2);
  sum(multiply(second, second)).backward();
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{0, 0, 6, 8}));
}

TEST(Autograd, NoGradStoresNothing) {
  const Tensor a = leaf({1});
  const NoGrad guard;
  const Tensor y = scale(a, 2.F);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_THROW(y.backward(), Error);
}

TEST(Autograd, TellsWhichGradientsAreNeeded) {
  const Tensor a = leaf({1}), constant = Tensor::full({1}, 2.F);
  bool needs_a = false, needs_constant = true;
  record("probe", Tensor::zeros({1}), {a, constant}, [&](const Tensor& dy, Needs needs) -> Grads {
    needs_a = needs[0];
    needs_constant = needs[1];
    return {dy, {}};
  }).backward();
  EXPECT_TRUE(needs_a);
  EXPECT_FALSE(needs_constant);
}

TEST(Autograd, ChecksWhatAnOpReturns) {
  const Tensor a = leaf({1, 2});
  const Tensor wrong_shape =
      record("wrong", Tensor::zeros({1}), {a}, [](const Tensor& dy, Needs) -> Grads { return {dy}; });
  EXPECT_THROW(wrong_shape.backward(), Error);
  const Tensor too_few = record("few", Tensor::zeros({1}), {a}, [](const Tensor&, Needs) -> Grads { return {}; });
  EXPECT_THROW(too_few.backward(), Error);
}

TEST(Autograd, WalksAndFreesAHundredThousandNodesWithoutRecursion) {
  const Tensor a = leaf({1});
  const auto chain = [&] {
    Tensor y = a;
    for (int i = 0; i < 100000; ++i) y = scale(y, 1.F);
    return y;
  };
  chain().backward();
  EXPECT_EQ(a.grad().item(), 1.F);
  chain();  // dropped without a backward: its destructor must not overflow the stack
}

TEST(Autograd, FreesWhatOpsSavedOnTheWay) {
  const i64 before = backend({}).pool_stats().bytes_in_use;
  {
    const Tensor a = test::random_tensor({1 << 18}, 1);
    a.requires_grad_();
    Tensor y = a;
    for (int i = 0; i < 8; ++i) y = sigmoid(y);  // each saves its output, 1 MiB
    const i64 recorded = backend({}).pool_stats().bytes_in_use;
    EXPECT_GE(recorded - before, 9 << 20);
    sum(y).backward();
    y = {};
    EXPECT_LE(backend({}).pool_stats().bytes_in_use - before, 3 << 20);  // a, its gradient, small change
  }
  EXPECT_EQ(backend({}).pool_stats().bytes_in_use, before);
}

}  // namespace
}  // namespace md
