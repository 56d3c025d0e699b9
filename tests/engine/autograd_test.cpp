// What the tape asks of an op, with ops made up here; tests/layers/tape_test.cpp has the rest, with real ones.
#include "engine/autograd.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace md
