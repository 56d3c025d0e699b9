// The tape, with the ops that write on it. An op RETURNS gradients and the engine adds them; what nobody needs is not
// stored; long chains neither recurse nor keep memory.
#include "engine/autograd.h"

#include <gtest/gtest.h>

#include "engine/backend.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md {
namespace {

Tensor leaf(std::vector<float> values) {
  const i64 n = static_cast<i64>(values.size());
  const Tensor t = Tensor::from_host(values, {n});
  t.requires_grad_();
  return t;
}

TEST(Tape, AddsUpEveryPath) {
  // y = sum(a*b + a): dy/da = b + 1, dy/db = a
  const Tensor a = leaf({1, 2, 3}), b = leaf({4, 5, 6});
  sum(add(multiply(a, b), a)).backward();
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{5, 6, 7}));
  EXPECT_EQ(b.grad().to_host(), (std::vector<float>{1, 2, 3}));
}

TEST(Tape, AccumulatesOverBackwards) {
  const Tensor a = leaf({2});
  sum(multiply(a, a)).backward();
  sum(multiply(a, a)).backward();
  EXPECT_EQ(a.grad().item(), 8.F);  // 4 + 4
  a.zero_grad();
  EXPECT_FALSE(a.grad());
}

TEST(Tape, DoesNotAddIntoATensorThatTwoInputsShare) {
  // add() hands the same dy to both inputs; the second path into `a` must not change what `b` received.
  const Tensor a = leaf({1}), b = leaf({1});
  const Tensor s = add(a, b);
  sum(add(s, scale(a, 3.F))).backward();
  EXPECT_EQ(a.grad().item(), 4.F);
  EXPECT_EQ(b.grad().item(), 1.F);
}

TEST(Tape, ABackwardAddsIntoASumThatNobodyElseHas) {
  // linear() and layer_norm() add their gradient to what their input's has come to: not where add()'s other input or
  // the caller has that memory.
  const Tensor x = leaf({1, 2}), other = leaf({3, 4}), w = Tensor::from_host(std::vector<float>{1, 0, 0, 1}, {2, 2});
  const Tensor seed = Tensor::full({2}, 1.F);
  const Tensor a = scale(x, 1.F), b = scale(other, 1.F);
  add(add(a, b), linear(a, w, {})).backward(seed);
  EXPECT_EQ(x.grad().to_host(), (std::vector<float>{2, 2}));
  EXPECT_EQ(other.grad().to_host(), (std::vector<float>{1, 1}));
  EXPECT_EQ(seed.to_host(), (std::vector<float>{1, 1}));
  const Tensor held = x.grad();
  linear(x, w, {}).backward(seed);
  EXPECT_EQ(held.to_host(), (std::vector<float>{2, 2}));
  EXPECT_EQ(x.grad().to_host(), (std::vector<float>{3, 3}));
}

TEST(Tape, GradientsOfLeavesAreTheirOwnMemory) {
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

TEST(Tape, GradientsAreMadeInMemoryThatNobodyElseHas) {
  // relu's dx takes dy's memory, but not that of the caller's seed, nor of a gradient that another path waits for.
  const Tensor a = leaf({1, -2}), b = leaf({-3, 4});
  const Tensor seed = Tensor::full({2}, 5.F);
  const Tensor y = add(relu(a), relu(b));
  relu(y).backward(seed);  // y = [1, 4]
  EXPECT_EQ(seed.to_host(), (std::vector<float>{5, 5}));
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{5, 0}));
  EXPECT_EQ(b.grad().to_host(), (std::vector<float>{0, 5}));
}

TEST(Tape, AChainOfPointwiseOpsBringsItsGradientBackInOneBlock) {
  const Tensor a = Tensor::full({1024}, 1.F).requires_grad_();
  const auto allocations = [] {
    const PoolStats stats = backend(Device{}).pool_stats();
    return stats.hits + stats.misses;
  };
  const Tensor y = elu(relu(elu(relu(a))));
  const i64 before = allocations();
  y.backward();
  EXPECT_EQ(allocations() - before, 1);  // the seed
}

TEST(Tape, SeedScalesTheWalk) {
  const Tensor a = leaf({1, 2});
  scale(a, 3.F).backward(Tensor::from_host(std::vector<float>{10, 100}, {2}));
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{30, 300}));
}

TEST(Tape, ViewsCarryGradients) {
  const Tensor a = leaf({1, 2, 3, 4});
  const Tensor second = a.reshape({2, 2}).rows(1, 2);
  sum(multiply(second, second)).backward();
  EXPECT_EQ(a.grad().to_host(), (std::vector<float>{0, 0, 6, 8}));
}

TEST(Tape, NoGradStoresNothing) {
  const Tensor a = leaf({1});
  const NoGrad guard;
  const Tensor y = scale(a, 2.F);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_THROW(y.backward(), Error);
}

TEST(Tape, WalksAndFreesAHundredThousandNodesWithoutRecursion) {
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

/// y = step(step(...step(a))), dropped without a backward: can only crash, where destructors overflow the stack.
template <class Step>
void drop_chain(int length, const Shape& shape, const Step& step) {
  Tensor y = Tensor::full(shape, 1.F);
  y.requires_grad_();
  for (int i = 0; i < length; ++i) y = step(y);
}

TEST(Tape, FreesLongChainsOfOpsThatSaveTensors) {
  const Tensor x = Tensor::full({1, 1, 1, 1}, 1.F), one = Tensor::full({1}, 1.F);
  drop_chain(200000, {1}, [&](const Tensor& y) { return add(multiply(y, y), y); });
  drop_chain(30000, one.shape(), [&](const Tensor& w) { return batch_norm(x, w, one, {one, one}, {}).reshape({1}); });
}

/// The error of op(x)'s backward after `changed` was written in place.
std::string error_after_write(const Tensor& changed, const Tensor& y) {
  changed.copy_from(changed.clone());
  return test::error_of([&] { y.backward(Tensor::full(y.shape(), 1.F)); });
}

TEST(Tape, RefusesWhatWasWrittenSinceItWasSaved) {
  // As PyTorch, and with any write to the same memory: the gradient would be that of other numbers.
  using test::random_tensor;
  const auto image = [] { return test::random_tensor({1, 3, 4, 2}, 1, 0.5F, 2.F).requires_grad_(); };
  const Tensor x = image(), w = random_tensor({2, 3, 3, 2}, 2).requires_grad_(), c = random_tensor({2}, 3);
  const Tensor gate = random_tensor({1, 1, 1, 2}, 4).requires_grad_();
  const auto expect_refusal = [](const char* op, const Tensor& changed, const Tensor& y) {
    const std::string error = error_after_write(changed, y);
    EXPECT_TRUE(error.starts_with(op)) << error;
    EXPECT_NE(error.find("modified by an inplace operation"), std::string::npos) << error;
  };
  expect_refusal("multiply", x, multiply(x, image()));
  expect_refusal("hardswish", x, hardswish(x));
  const Tensor y = relu(x);
  expect_refusal("relu", y, y);
  expect_refusal("multiply_channels", gate, multiply_channels(x, gate));
  expect_refusal("conv2d", w, conv2d(x, w, {}, {.pad = 1}));
  expect_refusal("conv2d", x, conv2d(x, w, {}, {.pad = 1}));
  const Tensor z = conv2d(x, w, {}, {.pad = 1, .act = {Act::leaky_relu, 0.1F}});
  expect_refusal("conv2d", z, z);
  expect_refusal("batch_norm", c, batch_norm(x, c, c, {c.clone(), random_tensor({2}, 6, 1.F, 2.F)}, {}));
  expect_refusal("l2_normalize", x, l2_normalize(x));
  expect_refusal("upsample_conv2d", w, upsample_conv2d(x, w));
  const Tensor logits = random_tensor({1, 2, 2, 3}, 8).requires_grad_(), plane = plane_equation(logits, 2.F);
  expect_refusal("local_planar_guidance", plane, local_planar_guidance(plane, 2));
  expect_refusal("plane_equation", logits, plane);
  const Tensor lw = random_tensor({3, 2}, 9).requires_grad_(), y2 = softmax(x);
  expect_refusal("linear", lw, linear(x, lw, {}));
  expect_refusal("softmax", y2, y2);
  expect_refusal("layer_norm", c, layer_norm(x, c, c));
  expect_refusal("group_norm", c, group_norm(x, 1, c, c));
  const Tensor qkv = random_tensor({1, 3, 4, 6}, 10).requires_grad_(), table = random_tensor({169, 1}, 11);
  expect_refusal("window_attention", table, window_attention(qkv, {}, random_tensor({6}, 12), table, {.heads = 1}));
}

TEST(Tape, GradientsOfUnneededSavedTensorsAreNotRefused) {
  // dx = dy * s needs s alone: the other factor may change.
  const Tensor x = leaf({1, 2}), s = Tensor::full({2}, 3.F);
  const Tensor y = multiply(x, s);
  x.copy_from(s);
  y.backward(Tensor::full({2}, 1.F));
  EXPECT_EQ(x.grad().to_host(), (std::vector<float>{3, 3}));
}

TEST(Tape, ATraceIsShownEveryOpInItsOrder) {
  const Tensor a = leaf({1, 2});
  std::vector<std::string> shown;
  float factor = 0;
  Tensor y;
  {
    const NoGrad off;
    const Trace trace([&](const Op& op, const Tensor& made, const std::vector<Tensor>& inputs) {
      shown.emplace_back(op.name());
      if (shown.back() != "scale") return;
      factor = std::any_cast<float>(op.attributes());
      y = made;
      EXPECT_EQ(inputs[0].to_host(), (std::vector<float>{2, 4}));
    });
    scale(add(a, a), 3.F);
  }
  sigmoid(a);  // after its scope
  EXPECT_EQ(shown, (std::vector<std::string>{"add", "scale"}));
  EXPECT_EQ(factor, 3.F);
  EXPECT_EQ(y.to_host(), (std::vector<float>{6, 12}));
}

TEST(Tape, RefusesASecondWalk) {
  const Tensor a = leaf({1, 2}), shared = scale(a, 2.F);
  sum(shared).backward();
  EXPECT_NE(test::error_of([&] { sum(shared).backward(); }).find("scale: backward ran"), std::string::npos);
}

TEST(Tape, FreesWhatOpsSavedOnTheWay) {
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

struct Layers {
  Tensor x = test::random_tensor({2, 5, 7, 4}, 1).requires_grad_(),
         weight = test::random_tensor({4}, 2).requires_grad_(), bias = test::random_tensor({4}, 3).requires_grad_(),
         conv = test::random_tensor({3, 3, 3, 4}, 4).requires_grad_();
  Tensor mean = Tensor::zeros({4}), variance = Tensor::full({4}, 1.F);

  /// The gradients of all four, where the outputs in between are held until the end, or not.
  std::vector<std::vector<float>> gradients(bool held) const {
    std::vector<Tensor> kept;
    const auto hold = [&](Tensor y) {
      if (held) kept.push_back(y);
      return y;
    };
    const BatchNormState state{mean, variance, 0.1F, true};
    const Tensor n = hold(batch_norm(x, weight, bias, state, {.act = {Act::hardswish}}));
    const Tensor y = conv2d(hold(layer_norm(n, weight, bias, 1e-5F)), conv, {}, {.pad = 1});
    return gradients_of(y);
  }
  std::vector<std::vector<float>> gradients_of(const Tensor& y) const {
    y.backward(test::random_tensor(y.shape(), 5));
    std::vector<std::vector<float>> all;
    for (const Tensor* t : {&x, &weight, &bias, &conv}) {
      all.push_back(t->grad().to_host());
      t->zero_grad();
    }
    return all;
  }
};

TEST(Tape, WhatIsMadeAgainGivesTheSameGradientsAndMovesNoStatistics) {
  const Layers layers;
  const auto held = layers.gradients(true);
  const std::vector<float> mean = layers.mean.to_host();
  const Layers again;
  EXPECT_EQ(again.gradients(false), held);
  EXPECT_EQ(again.mean.to_host(), mean);
}

}  // namespace
}  // namespace md
