// What the tape asks of an op, with ops made up here; tests/layers/tape_test.cpp has the rest, with real ones.
#include "engine/autograd.h"

#include <gtest/gtest.h>

#include "engine/backend.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

Tensor leaf(i64 n) { return Tensor::full({n}, 1.F).requires_grad_(); }

TEST(Autograd, TellsWhichGradientsAreNeeded) {
  const Tensor a = leaf(1), constant = Tensor::full({1}, 2.F);
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
  const Tensor a = leaf(2);
  const Tensor wrong_shape =
      record("wrong", Tensor::zeros({1}), {a}, [](const Tensor& dy, Needs) -> Grads { return {dy}; });
  EXPECT_THROW(wrong_shape.backward(), Error);
  const Tensor too_few = record("few", Tensor::zeros({1}), {a}, [](const Tensor&, Needs) -> Grads { return {}; });
  EXPECT_THROW(too_few.backward(), Error);
}

constexpr i64 kMany = 1 << 18;

/// y = 2 x, which can be made again; `made` counts how often it was. Keeps x.
Tensor twice(const Tensor& x, int* made) {
  const auto doubled = [](const Tensor& of) {
    Tensor y = Tensor::empty(of.shape());
    for (i64 i = 0; i < of.numel(); ++i) y.data()[i] = 2 * of.data()[i];
    return y;
  };
  Tensor y = record("twice", doubled(x), {x}, [x = Saved(x)](const Tensor& dy, Needs) -> Grads { return {dy}; });
  can_be_made_again(y, [=, x = Saved(x)] {
    ++*made;
    return doubled(*x);
  });
  return y;
}

/// Keeps x, and says in its backward what it is.
Tensor reader(const Tensor& x, float* seen) {
  return record("reader", Tensor::zeros({1}), {x}, [x = Saved(x), seen](const Tensor& dy, Needs) -> Grads {
    *seen = x->data()[kMany - 1];
    return {Tensor::full(x.shape(), dy.item())};
  });
}

TEST(Autograd, AnOutputThatCanBeMadeAgainIsNotKept) {
  const Tensor a = Tensor::full({kMany}, 3.F).requires_grad_();
  int made = 0;
  float seen = 0;
  const i64 before = backend({}).pool_stats().bytes_in_use;
  const Tensor read = reader(twice(a, &made), &seen);
  EXPECT_LT(backend({}).pool_stats().bytes_in_use - before, kMany) << "neither y nor a copy of x";
  EXPECT_EQ(made, 0);
  read.backward();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(seen, 6.F);
  EXPECT_EQ(a.grad().data()[0], 1.F);
}

TEST(Autograd, AnOutputThatSomebodyHasIsNotMadeAgain) {
  const Tensor a = Tensor::full({kMany}, 3.F).requires_grad_();
  int made = 0;
  float seen = 0;
  const Tensor y = twice(a, &made);
  reader(y, &seen).backward();
  EXPECT_EQ(made, 0);
  EXPECT_EQ(seen, 6.F);
}

TEST(Autograd, OffTheTapeNothingIsKeptOfHowToMakeIt) {
  const Tensor a = Tensor::full({kMany}, 3.F).requires_grad_();
  int made = 0;
  const i64 before = backend({}).pool_stats().bytes_in_use;
  const Tensor y = twice(a, &made);
  y.backward();
  EXPECT_LE(backend({}).pool_stats().bytes_in_use - before, 2 * 4 * kMany) << "y and the gradient";
  const NoGrad off;
  float seen = 0;
  EXPECT_FALSE(reader(twice(a, &made), &seen).requires_grad());
}

TEST(Autograd, WhatWasWrittenToIsNotMadeAgain) {
  const Tensor a = Tensor::full({kMany}, 3.F).requires_grad_();
  int made = 0;
  float seen = 0;
  {
    const Tensor y = twice(a, &made), read = reader(y, &seen);
    y.copy_from(Tensor::full({kMany}, 1.F));
    EXPECT_THROW(read.backward(), Error);
  }
  {
    const Tensor y = twice(a, &made);
    y.copy_from(Tensor::full({kMany}, 1.F));  // before it is saved: these are the numbers that count
    reader(y, &seen).backward();
    EXPECT_EQ(seen, 1.F);
  }
  EXPECT_EQ(made, 0);
  const Tensor read = reader(twice(a, &made), &seen);
  a.detach().copy_from(Tensor::full({kMany}, 4.F));
  EXPECT_THROW(read.backward(), Error) << "it would be made of other numbers";
}

TEST(Autograd, ABackwardMayLetGoOfWhatItHasRead) {
  const Tensor a = Tensor::full({kMany}, 3.F).requires_grad_();
  i64 freed = 0;
  Tensor y = record("early", Tensor::zeros({1}), {a},
                    [&freed, kept = Saved(Tensor::full({kMany}, 1.F))](const Tensor&, Needs) mutable -> Grads {
                      const i64 before = backend({}).pool_stats().bytes_in_use;
                      kept.release();
                      freed = before - backend({}).pool_stats().bytes_in_use;
                      return {{}};
                    });
  y.backward();
  EXPECT_EQ(freed, 4 * kMany);
}

}  // namespace
}  // namespace md
