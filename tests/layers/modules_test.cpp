// Modules own what ops need: names and layouts of PyTorch, its default initialisation, and the batch norm's memory.
#include "layers/modules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

Rng fresh(std::uint64_t seed = 1) { return Rng(seed, Purpose::init); }

std::vector<std::string> names_of(const std::vector<Module::Entry>& entries) {
  std::vector<std::string> names;
  for (const Module::Entry& entry : entries) names.push_back(entry.name);
  return names;
}

using Names = std::vector<std::string>;

// kaiming_uniform_(a=sqrt(5)) is uniform in +-b, b = 1/sqrt(fan_in): standard deviation b/sqrt(3), all values within b.
void expect_uniform(const Tensor& t, double bound) {
  double squares = 0, largest = 0, mean = 0;
  for (const double v : to_double(t)) {
    squares += v * v / double(t.numel());
    mean += v / double(t.numel());
    largest = std::max(largest, std::fabs(v));
  }
  const double deviation = bound / std::sqrt(3.), error = 4 / std::sqrt(double(t.numel()));  // 4 standard errors
  EXPECT_NEAR(std::sqrt(squares) / deviation, 1, error);
  EXPECT_NEAR(mean / deviation, 0, error);
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, bound * (1 - 20 / double(t.numel())));
}

TEST(Conv2dModule, IsInitialisedLikePyTorch) {
  Rng rng = fresh();
  const Conv2d dense(rng, 32, 64, 3, {.groups = 2}), depthwise(rng, 960, 960, 5, {.groups = 960});
  expect_uniform(dense.parameters()[0].tensor, 1 / std::sqrt(16. * 9));  // fan_in = I/groups * k * k
  expect_uniform(dense.parameters()[1].tensor, 1 / std::sqrt(16. * 9));
  expect_uniform(depthwise.parameters()[0].tensor, 1 / std::sqrt(25.));
}

TEST(Conv2dModule, HasPyTorchsShapesOnDisk) {
  Rng rng = fresh();
  EXPECT_EQ(Conv2d(rng, 8, 6, 3, {.groups = 2}).state().at("weight").shape(), (Shape{6, 4, 3, 3}));
  EXPECT_EQ(Conv2d(rng, 6, 6, 5, {.groups = 6}).state().at("weight").shape(), (Shape{6, 1, 5, 5}));
  EXPECT_EQ(Conv2d(rng, 1, 1, 3).state().at("weight").shape(), (Shape{1, 1, 3, 3}));
  EXPECT_EQ(names_of(Conv2d(rng, 8, 6, 3).parameters()), (Names{"weight", "bias"}));
  EXPECT_EQ(names_of(Conv2d(rng, 8, 6, 3, {.bias = false}).parameters()), (Names{"weight"}));
  EXPECT_ERROR(Conv2d(rng, 8, 6, 3, {.groups = 3}), "Conv2d: 8 -> 6 channels do not divide into 3 groups");
}

TEST(Conv2dModule, OneSeedOneNetwork) {
  Rng first = fresh(7), again = fresh(7), other = fresh(8);
  const Tensor a = Conv2d(first, 3, 4, 3).state().at("weight");
  EXPECT_TRUE(close(Conv2d(again, 3, 4, 3).state().at("weight"), a, 0));
  EXPECT_FALSE(close(Conv2d(other, 3, 4, 3).state().at("weight"), a, 0.1));
}

TEST(BatchNorm2dModule, CountsTrainingForwards) {
  BatchNorm2d norm(3);
  EXPECT_EQ(names_of(norm.parameters()), (Names{"weight", "bias"}));
  EXPECT_EQ(names_of(norm.buffers()), (Names{"running_mean", "running_var", "num_batches_tracked"}));
  const auto tracked = [&] { return *norm.state().at("num_batches_tracked").data<std::int32_t>(); };
  const Tensor x = random_tensor({2, 3, 4, 3}, 1);
  EXPECT_EQ(tracked(), 0);
  norm.forward(x);
  norm.forward(x);
  EXPECT_EQ(tracked(), 2);
  norm.eval();
  norm.forward(x);
  EXPECT_EQ(tracked(), 2);
}

TEST(BatchNorm2dModule, UsesItsOptions) {
  BatchNorm2d norm(3, {.eps = 0.5F, .momentum = 0.25F, .act = {Act::relu}});
  const Tensor x = random_tensor({2, 3, 4, 3}, 1), one = Tensor::full({3}, 1.F), zero = Tensor::zeros({3});
  const BatchNormState state{zero.clone(), one.clone(), 0.25F, true};
  EXPECT_TRUE(close(norm.forward(x), relu(batch_norm(x, one, zero, state, {.eps = 0.5F})), 1e-6));
  EXPECT_TRUE(close(norm.state().at("running_mean"), state.running_mean, 0));
  EXPECT_TRUE(close(norm.state().at("running_var"), state.running_var, 0));
}

TEST(ConvNormActModule, KeepsTheSizeAndHasTwoChildren) {
  Rng rng = fresh();
  ConvNormAct block(rng, 3, 8, 5, {.stride = 2, .norm = {.act = {Act::hardswish}}});
  EXPECT_EQ(names_of(block.parameters()), (Names{"0.weight", "1.weight", "1.bias"}));
  EXPECT_EQ(block.forward(random_tensor({2, 6, 8, 3}, 1)).shape(), (Shape{2, 3, 4, 8}));
  const Tensor x = random_tensor({1, 5, 7, 3}, 1);
  const State s = block.state();
  block.eval();
  const Tensor z = conv2d(x, from_torch(s.at("0.weight"), Layout::conv), {}, {.stride = 2, .pad = 2});
  const BatchNormState running{s.at("1.running_mean"), s.at("1.running_var")};
  EXPECT_TRUE(close(block.forward(x), hardswish(batch_norm(z, s.at("1.weight"), s.at("1.bias"), running, {})), 1e-6));
}

/// A convolution and its norm, whose numbers are those of a network in the middle of its training.
struct Pair : Module {
  Pair(const ConvOptions& options, i64 in, i64 out, int kernel, const Activation& act)
      : Pair(fresh(), options, in, out, kernel, act) {}
  Tensor forward(const Tensor& x, Tensor residual = {}) const { return both_.forward(x, std::move(residual)); }

 private:
  Pair(Rng rng, const ConvOptions& options, i64 in, i64 out, int kernel, const Activation& act)
      : both_{child<Conv2d>("conv", rng, in, out, kernel, options),
              child<BatchNorm2d>("norm", out, BatchNormOptions{.eps = 1e-3F, .act = act})} {
    std::uint64_t seed = 10;
    for (const Entry& entry : entries()) {
      const bool positive = entry.name == "norm.running_var";
      if (entry.name.starts_with("norm.") && entry.tensor.dtype() == DType::f32)
        entry.tensor.copy_from(random_tensor(entry.tensor.shape(), ++seed, positive ? 0.1F : -1.5F, 1.5F));
    }
    eval();
  }
  ConvNorm both_;
};

/// The names of the ops of a forward pass without a tape.
Names ops_of(const Pair& pair, const Tensor& x, const Tensor& residual) {
  Names ops;
  const NoGrad nothing_is_recorded;
  const Trace trace([&](const Op& op, const Tensor&, const std::vector<Tensor>&) { ops.emplace_back(op.name()); });
  pair.forward(x, residual);
  return ops;
}

Tensor evaluated(const Pair& pair, const Tensor& x, const Tensor& residual) {
  const NoGrad nothing_is_recorded;
  return pair.forward(x, residual);
}

const ConvOptions kDense{.stride = 2, .pad = 1, .bias = false}, kWithBias{.pad = 1},
    kDepthwise{.pad = 1, .groups = 6, .bias = false}, kGrouped{.pad = 1, .groups = 2, .bias = false};

// Rounding alone: each weight is rounded once more.
TEST(FoldBatchNorms, LeavesOneConvolutionThatIsTheSame) {
  for (const ConvOptions& options : {kDense, kWithBias, kDepthwise, kGrouped}) {
    for (const Act act : {Act::none, Act::relu, Act::hardswish}) {
      Pair pair(options, 6, 6, 3, {act});
      const Tensor x = random_tensor({2, 5, 7, 6}, 1);
      const Tensor plus = random_tensor(pair.forward(x).shape(), 2);
      const Tensor alone = evaluated(pair, x, {}), sum = evaluated(pair, x, plus);
      EXPECT_TRUE(close(sum, activate(add(evaluated(Pair(options, 6, 6, 3, {}), x, {}), plus), {act}), 1e-6));
      fold_batch_norms(pair);
      EXPECT_EQ(ops_of(pair, x, {}), Names{"conv2d"});
      EXPECT_EQ(ops_of(pair, x, plus), Names{"conv2d"});
      EXPECT_TRUE(close(evaluated(pair, x, {}), alone, 1e-6));
      EXPECT_TRUE(close(evaluated(pair, x, plus), sum, 1e-6));
    }
  }
}

TEST(FoldBatchNorms, LeavesTheSameFunctionToSaveAndToDifferentiate) {
  Pair pair(kWithBias, 3, 4, 3, {Act::hardswish}), folded(kWithBias, 3, 4, 3, {Act::hardswish});
  fold_batch_norms(folded);
  const Tensor x = random_tensor({2, 5, 7, 3}, 1);
  Pair loaded(kWithBias, 3, 4, 3, {Act::hardswish});
  loaded.load(folded.state());
  EXPECT_TRUE(close(evaluated(loaded, x, {}), evaluated(pair, x, {}), 1e-6));
  const Function recorded = [&](const auto& in) { return folded.forward(in[0]); };
  EXPECT_TRUE(
      close(gradients(recorded, {x})[0], gradients([&](const auto& in) { return pair.forward(in[0]); }, {x})[0], 1e-6));
  EXPECT_TRUE(folded.parameters()[2].tensor.grad()) << "the norm's weight learns as before";
}

TEST(FoldBatchNorms, IsOverOnceAnyNumberHasChanged) {
  for (const std::size_t entry : {0, 1, 2, 3, 4, 5}) {
    Pair pair(kWithBias, 3, 4, 3, {});
    fold_batch_norms(pair);
    const Tensor number = pair.entries()[entry].tensor, x = random_tensor({1, 4, 5, 3}, 1);
    SCOPED_TRACE(pair.entries()[entry].name);
    number.copy_from(random_tensor(number.shape(), 7, 0.5F, 1.F));
    EXPECT_EQ(ops_of(pair, x, {}), (Names{"conv2d", "batch_norm"}));
    Pair other(kWithBias, 3, 4, 3, {});
    other.load(pair.state());
    EXPECT_TRUE(close(evaluated(pair, x, {}), evaluated(other, x, {}), 0));
    fold_batch_norms(pair);
    EXPECT_TRUE(close(evaluated(pair, x, {}), evaluated(other, x, {}), 1e-6));
  }
}

TEST(FoldBatchNorms, LeavesNumbersAloneThatAreNotFinite) {
  for (const std::size_t entry : {0, 1, 2, 3, 4, 5}) {
    Pair pair(kWithBias, 3, 4, 3, {Act::relu});
    pair.entries()[entry].tensor.data()[1] = std::numeric_limits<float>::quiet_NaN();
    fold_batch_norms(pair);
    const Tensor x = random_tensor({1, 4, 5, 3}, 1);
    EXPECT_EQ(ops_of(pair, x, {}), (Names{"conv2d", "batch_norm"})) << pair.entries()[entry].name;
    const std::vector<float> y = evaluated(pair, x, {}).to_host();
    EXPECT_TRUE(std::any_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }));
  }
}

TEST(ConvNormPair, RefusesAConvolutionWithAnActivation) {
  Rng rng = fresh();
  const Conv2d conv(rng, 3, 4, 3, {.act = {Act::relu}});
  BatchNorm2d norm(4);
  EXPECT_ERROR((ConvNorm{conv, norm}), "ConvNorm: the activation is the norm's");
}

TEST(SqueezeExciteModule, ScalesEachChannelByWhatItSeesOfAll) {
  Rng rng = fresh();
  const SqueezeExcite block(rng, 6, 8);
  EXPECT_EQ(names_of(block.parameters()), (Names{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
  const Tensor x = random_tensor({2, 3, 5, 6}, 1);
  const State s = block.state();
  const Tensor seen = adaptive_avg_pool(x, 1, 1);
  const Tensor hidden = relu(conv2d(seen, from_torch(s.at("fc1.weight"), Layout::conv), s.at("fc1.bias"), {}));
  const Tensor gate = hardsigmoid(conv2d(hidden, from_torch(s.at("fc2.weight"), Layout::conv), s.at("fc2.bias"), {}));
  EXPECT_TRUE(close(block.forward(x), multiply_channels(x, gate), 1e-6));
}

}  // namespace
}  // namespace md::test
