// Swin and NeWCRFs: the peculiarities of the official code, one assertion for each, its initialisation, and any size of
// image. That the numbers equal PyTorch's is the golden tests' business (networks/newcrfs_*, manifests/newcrfs_*).
#include "nets/newcrfs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

using test::close;
using test::random_tensor;

Rng fresh() { return Rng(1, Purpose::init); }

/// One network for all tests that only read it.
const DepthNet& tiny() {
  static const std::unique_ptr<DepthNet> net = [] {
    auto made = make_net("newcrfs_tiny07", {.max_depth_m = 10.F, .seed = 3});
    made->eval();
    return made;
  }();
  return *net;
}
const State& tiny_state() {
  static const State state = tiny().state();
  return state;
}

bool any_entry(const std::string& part) {
  return std::any_of(tiny_state().begin(), tiny_state().end(),
                     [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
}

/// Every parameter of a module, made random: a norm that is 1 and a bias that is 0 hide what is done to them.
template <class M>
void randomise(M& module) {
  std::uint64_t seed = 100;
  for (const Module::Entry& p : module.parameters()) p.tensor.copy_from(random_tensor(p.tensor.shape(), ++seed));
}

// ---- The pyramid pooling head

TEST(PyramidPoolingTest, AllFourBranchesHaveGroupNormAndOnlyTheBottleneckBatchNorm) {
  for (const int i : {0, 1, 2, 3}) {
    EXPECT_EQ(tiny_state().at(cat("decoder.psp_modules.", i, ".1.gn.weight")).shape(), Shape{512});
    EXPECT_FALSE(any_entry(cat("psp_modules.", i, ".1.bn")));
    EXPECT_FALSE(any_entry(cat("psp_modules.", i, ".1.conv.bias")));
  }
  int batch_norms = 0;
  for (const auto& [name, tensor] : tiny_state()) batch_norms += name.ends_with("running_mean");
  EXPECT_EQ(batch_norms, 1);
  EXPECT_TRUE(tiny_state().contains("decoder.bottleneck.bn.running_mean"));
}

TEST(PyramidPoolingTest, GroupsArePairsOfChannels) {
  Rng rng = fresh();
  const PyramidPooling head(rng, 8);
  const Tensor level = head.level(random_tensor({1, 5, 7, 8}, 1, -1e4F, 1e4F), 0);  // far above the norm's eps
  ASSERT_EQ(level.shape(), (Shape{1, 1, 1, 512}));
  const std::vector<float> values = level.to_host();  // of each pair one is +1, and the other, -1, meets the ReLU
  for (std::size_t c = 0; c < values.size(); c += 2) EXPECT_NEAR(values[c] + values[c + 1], 1.F, 1e-2F);
}

TEST(PyramidPoolingTest, ScalesAreOneTwoThreeSix) {
  Rng rng = fresh();
  const PyramidPooling head(rng, 8);
  for (const std::size_t i : {0, 1, 2, 3}) {
    const i64 side = std::array{1, 2, 3, 6}[i];
    EXPECT_EQ(head.level(random_tensor({1, 5, 7, 8}, 1), i).shape(), (Shape{1, side, side, 512}));
  }
}

// ---- Swin

WindowBlockOptions small_block(int shift) { return {.dim = 8, .heads = 2, .shift = shift}; }

TEST(SwinTest, PaddingComesAfterTheNorm) {
  Rng rng = fresh();
  WindowAttention attention(rng, small_block(0));
  randomise(attention);
  // So attention's own padding is the same as padding the normalised map by zeros.
  const Tensor normalised = random_tensor({1, 5, 6, 8}, 1);
  EXPECT_TRUE(
      close(attention.forward(normalised, {}), crop(attention.forward(pad_zero(normalised, 7, 7), {}), 5, 6), 1e-6));
  Rng again = fresh();
  WindowBlock block(again, small_block(0));
  randomise(block);
  const Tensor x = random_tensor({1, 5, 6, 8}, 1);
  EXPECT_FALSE(close(block.forward(x, {}), crop(block.forward(pad_zero(x, 7, 7), {}), 5, 6), 1e-3));
}

TEST(SwinTest, OddBlocksAreShiftedEvenOnMapsSmallerThanAWindow) {
  Rng rng = fresh();
  WindowLayer layer(rng, {.block = small_block(0), .drop_rates = {0, 0}});
  randomise(layer);
  const auto block = [&](int index, int shift) {
    Rng unused = fresh();
    auto made = std::make_unique<WindowBlock>(unused, small_block(shift));
    State state;
    const std::string prefix = cat("blocks.", index, ".");
    for (const auto& [name, tensor] : layer.state()) {
      if (name.starts_with(prefix)) state[name.substr(prefix.size())] = tensor;
    }
    made->load(state);
    return made;
  };
  const Tensor x = random_tensor({1, 4, 5, 8}, 1), y = layer.forward(x, {}), half = block(0, 0)->forward(x, {});
  EXPECT_TRUE(close(y, block(1, 3)->forward(half, {}), 1e-6));
  EXPECT_FALSE(close(y, block(1, 0)->forward(half, {}), 1e-3));
}

TEST(SwinTest, HasNoAbsolutePositions) { EXPECT_FALSE(any_entry("absolute_pos_embed")); }

TEST(SwinTest, OnlyTheOutputsOfStagesAreNormalised) {
  Rng rng = fresh();
  Swin swin(rng, {.dim = 8, .depths = {1, 1, 1, 1}, .heads = {1, 2, 4, 8}});
  swin.eval();
  const Tensor image = random_tensor({1, 64, 64, 3}, 1);
  const std::vector<Tensor> before = swin.forward(image);
  for (const Module::Entry& p : swin.parameters()) {
    if (p.name == "norm0.weight") p.tensor.copy_from(Tensor::full(p.tensor.shape(), 2.F));
  }
  const std::vector<Tensor> after = swin.forward(image);
  EXPECT_TRUE(close(after[0], scale(before[0], 2.F), 1e-6));
  for (const std::size_t i : {1, 2, 3}) EXPECT_TRUE(close(after[i], before[i], 0));
}

TEST(SwinTest, MergingHasANormOfFourWidthsAndNoBias) {
  EXPECT_EQ(tiny_state().at("backbone.layers.0.downsample.norm.weight").shape(), Shape{4 * 96});
  EXPECT_EQ(tiny_state().at("backbone.layers.0.downsample.reduction.weight").shape(), (Shape{2 * 96, 4 * 96}));
  EXPECT_FALSE(any_entry("reduction.bias"));
  EXPECT_FALSE(any_entry("layers.3.downsample"));
}

TEST(SwinTest, IndexOfRelativePositionsIsPyTorchs) {
  const Tensor index = tiny_state().at("backbone.layers.0.blocks.0.attn.relative_position_index");
  ASSERT_EQ(index.shape(), (Shape{49, 49}));
  const auto at = [&](i64 i, i64 j) { return index.data<std::int32_t>()[i * 49 + j]; };
  EXPECT_EQ(at(0, 0), 84);  // no distance: the middle of 13x13
  EXPECT_EQ(at(0, 48), 0);  // from the top left to the bottom right
  EXPECT_EQ(at(48, 0), 168);
  EXPECT_EQ(at(0, 1), 83);
  EXPECT_EQ(at(0, 7), 71);
}

TEST(SwinTest, StochasticDepthGrowsLinearlyFromZero) {
  EXPECT_EQ(drop_path_rates(0.3, 4), (std::vector<double>{0, 0.3 * 1 / 3, 0.3 * 2 / 3, 0.3}));
}

TEST(SwinTest, StochasticDepthIsForTrainingAndFollowsTheStep) {
  Rng rng = fresh();
  Swin swin(rng, {.dim = 8, .depths = {2, 2, 2, 2}, .heads = {1, 2, 4, 8}, .drop_path_rate = 0.5});
  const Tensor image = random_tensor({4, 32, 32, 3}, 1);
  const auto last = [&](i64 step) { return swin.forward(image, {.step = step}).back().to_host(); };
  EXPECT_EQ(last(1), last(1));
  EXPECT_NE(last(1), last(2));
  swin.eval();
  EXPECT_EQ(last(1), last(2));
}

// ---- The window CRFs

TEST(CrfTest, QueriesAndKeysComeFromOneLinearLayerAndValuesFromNone) {
  EXPECT_EQ(tiny_state().at("crf0.crf_layer.blocks.0.attn.qk.weight").shape(), (Shape{2 * 128, 128}));
  EXPECT_FALSE(any_entry("crf0.crf_layer.blocks.0.attn.qkv"));
  EXPECT_FALSE(any_entry("crf0.crf_layer.blocks.0.attn.v"));
}

TEST(CrfTest, BothBlocksHaveTheSameValuesAndOnlyXIsUpdated) {
  Rng rng = fresh();
  CrfLevel level(rng, {.input = 8, .values = 8, .dim = 8, .heads = 2});
  randomise(level);
  const State state = level.state();
  const Tensor v = random_tensor({1, 8, 9, 8}, 2);
  Tensor x = random_tensor({1, 8, 9, 8}, 1);
  const Tensor y = level.forward(x, v);
  for (const int i : {0, 1}) {
    Rng unused = fresh();
    WindowBlock block(unused, {.dim = 8, .heads = 2, .shift = 3 * i, .own_values = false});
    State own;
    const std::string prefix = cat("crf_layer.blocks.", i, ".");
    for (const auto& [name, tensor] : state) {
      if (name.starts_with(prefix)) own[name.substr(prefix.size())] = tensor;
    }
    block.load(own);
    x = block.forward(x, v);
  }
  EXPECT_TRUE(close(y, layer_norm(x, state.at("norm_crf.weight"), state.at("norm_crf.bias")), 1e-6));
}

TEST(CrfTest, ProjectionsExistWhereWidthsDiffer) {
  for (const int i : {0, 1, 2, 3}) {
    EXPECT_TRUE(any_entry(cat("crf", i, ".proj_x.weight")));  // 96, 192, 384, 768 against 128 to 1024
    EXPECT_TRUE(any_entry(cat("crf", i, ".proj_v.weight")));
  }
  Rng rng = fresh();
  const State base = CrfLevel(rng, {.input = 16, .values = 8, .dim = 16, .heads = 2}).state();  // as all four of base07
  EXPECT_FALSE(base.contains("proj_x.weight"));
  EXPECT_TRUE(base.contains("proj_v.weight"));
}

TEST(CrfTest, HeadHasNoUpsamplingMask) { EXPECT_FALSE(any_entry("mask_head")); }

TEST(NewCrfsTest, FeaturesAreTheOutputOfTheFinestCrf) {
  const NoGrad off;
  const DepthMaps maps = tiny().forward(random_tensor({1, 64, 96, 3}, 1));
  ASSERT_EQ(maps.features.shape(), (Shape{1, 16, 24, 128}));
  const Tensor logits = conv2d(maps.features, from_torch(tiny_state().at("disp_head1.conv1.weight"), Layout::conv),
                               tiny_state().at("disp_head1.conv1.bias"), {.pad = 1});
  EXPECT_TRUE(close(maps.depth_m, scale(upsample_bilinear(sigmoid(logits), 64, 96), 10.F), 1e-6));
}

// ---- Initialisation

/// What the official code draws an entry from.
struct Start {
  double deviation;
  bool uniform;  // else normal
};

Start start_of(const std::string& name, const State& state) {
  const Shape& shape = state.at(name).shape();
  if (name.ends_with("relative_position_bias_table")) return {0.02, false};
  const double fan_in = double(state.at(name).numel() / shape[0]);
  if (name.starts_with("decoder.")) return {std::sqrt(2 / (double(shape[0]) * fan_in / double(shape[1]))), false};
  if (name.starts_with("backbone.layers.")) return {0.02, false};
  return {1 / std::sqrt(3 * fan_in), true};
}

void expect_deviation(const std::string& name, const Tensor& t, Start start) {
  double sum = 0, squares = 0, largest = 0;
  for (const double v : test::to_double(t)) sum += v, squares += v * v, largest = std::max(largest, std::fabs(v));
  // Five standard errors: of the mean sigma/sqrt(n); of the deviation sigma*sqrt((kurtosis - 1)/(4n)), kurtosis 3
  // or 1.8.
  const double n = double(t.numel()), kurtosis = start.uniform ? 1.8 : 3;
  EXPECT_NEAR(sum / n, 0, 5 * start.deviation / std::sqrt(n)) << name;
  EXPECT_NEAR(std::sqrt(squares / n) / start.deviation, 1, 5 * std::sqrt((kurtosis - 1) / (4 * n))) << name;
  if (!start.uniform) return;
  EXPECT_LE(largest, start.deviation * std::sqrt(3.)) << name;
}

TEST(NewCrfsTest, EveryWeightStartsWithTheOfficialDeviation) {
  for (const auto& [name, tensor] : tiny_state()) {
    const bool matrix = tensor.shape().rank() > 1 && tensor.dtype() == DType::f32;
    if (matrix && !name.ends_with("relative_position_index"))
      expect_deviation(name, tensor, start_of(name, tiny_state()));
  }
}

TEST(NewCrfsTest, BiasesAndNormsStartAsTheOfficialOnes) {
  for (const auto& [name, tensor] : tiny_state()) {
    if (tensor.shape().rank() != 1 || name.find("running") != std::string::npos) continue;
    const std::string weight = name.substr(0, name.rfind('.')) + ".weight";
    const bool of_norm = tiny_state().at(weight).shape().rank() == 1;
    const std::vector<float> values = tensor.to_host();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    if (of_norm || name.starts_with("backbone.layers.")) {
      EXPECT_EQ(*low, name.ends_with("weight") ? 1.F : 0.F) << name;
      EXPECT_EQ(*high, *low) << name;
    } else {  // PyTorch's default: uniform in +-1/sqrt(fan_in)
      const Tensor& w = tiny_state().at(weight);
      const float bound = float(std::sqrt(double(w.dim(0)) / double(w.numel())));
      EXPECT_GE(*low, -bound) << name;
      EXPECT_LE(*high, bound) << name;
      EXPECT_TRUE(values.size() < 50 || *high - *low > bound) << name;
    }
  }
}

// ---- Any size

TEST(NewCrfsTest, AnySizeIsPaddingAndCroppingByHand) {
  const NoGrad off;
  Rng sides(9, Purpose::test);
  for (int trial = 0; trial < 6; ++trial) {
    const i64 h = sides.integer(32, 700), w = sides.integer(32, 700);
    const i64 padded_h = (h + 31) / 32 * 32, padded_w = (w + 31) / 32 * 32;
    SCOPED_TRACE(cat(h, "x", w));
    const Tensor image = random_tensor({1, h, w, 3}, 5);
    const DepthMaps maps = tiny().forward(image), whole = tiny().forward(pad_reflect(image, padded_h, padded_w));
    ASSERT_EQ(maps.depth_m.shape(), (Shape{1, h, w, 1}));
    EXPECT_EQ(maps.depth_m.to_host(), crop(whole.depth_m, h, w).to_host());
    const std::vector<float> depth_m = maps.depth_m.to_host();
    const auto [nearest, farthest] = std::minmax_element(depth_m.begin(), depth_m.end());
    EXPECT_GT(*nearest, 0.F);
    EXPECT_LT(*farthest, 10.F);
  }
}

TEST(NewCrfsTest, RecomputedActivationsGiveTheSameGradientsBitForBit) {
  const auto gradients = [](bool recompute) {
    const auto net = make_net("newcrfs_tiny07", {.seed = 1, .recompute = recompute});
    sum(net->forward(random_tensor({2, 64, 64, 3}, 1), {}, {.seed = 1, .step = 3}).depth_m).backward();
    std::vector<std::vector<float>> all;
    for (const Module::Entry& p : net->parameters()) all.push_back(p.tensor.grad().to_host());
    return all;
  };
  EXPECT_TRUE(gradients(true) == gradients(false));  // not EXPECT_EQ, which would print 88 million numbers
}

}  // namespace
}  // namespace md
