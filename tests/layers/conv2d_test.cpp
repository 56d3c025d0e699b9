// Convolution in all its shapes, on every device and by every algorithm, against the list of products that lesson 9
// defines (tests/lessons/09_convolution.h).
// Labels: devices cudnn
#include <cmath>
#include <limits>

#include "engine/conv_algorithm.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/09_convolution.h"

namespace md::test {
namespace {

struct Sizes {
  const char* name;
  i64 n, h, w, in, out;
  int kernel;
  Conv2dSpec spec;
  ConvAlgorithm algorithm = ConvAlgorithm::fastest;
};
std::ostream& operator<<(std::ostream& out, const Sizes& it) { return out << it.name; }

/// Depthwise weights are [k,k,C] in memory: swaps [C,k*k] and [k*k,C].
Tensor transposed(const Tensor& t, i64 rows, i64 columns, const Shape& shape) {
  const std::vector<float> from = t.to_host();
  std::vector<float> to(from.size());
  for (i64 r = 0; r < rows; ++r)
    for (i64 c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  return Tensor::from_host(to, shape);
}

/// An algorithm while it lives.
struct ChosenAlgorithm {
  explicit ChosenAlgorithm(ConvAlgorithm algorithm) { choose_conv_algorithm(algorithm); }
  ~ChosenAlgorithm() { choose_conv_algorithm(ConvAlgorithm::fastest); }
};

class Conv2d : public ::testing::TestWithParam<Sizes> {
 protected:
  const Sizes s = GetParam();
  const ChosenAlgorithm chosen{s.algorithm};
  const bool depthwise = s.spec.groups > 1 && s.spec.groups == s.in&& s.in == s.out;
  const i64 k = s.kernel;
  const Tensor x = random_tensor({s.n, s.h, s.w, s.in}, 1);
  const Tensor w = random_tensor({s.out, k, k, s.in / s.spec.groups}, 2);
  const Tensor bias = random_tensor({s.out}, 3);

  Tensor to_memory(const Tensor& weight) const {
    return depthwise ? transposed(weight, s.out, k * k, {k, k, s.out}) : weight;
  }
  Tensor from_memory(const Tensor& weight) const {
    return depthwise ? transposed(weight, k * k, s.out, {s.out, k, k, 1}) : weight;
  }
  Function op() const {
    return [spec = s.spec](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], in[2], spec); };
  }
  void expect_sum_of_products() const;
  void expect_gradients_of_products() const;
};
class Conv2dOfManyTiles : public Conv2d {};

// Sums of at most 700 products in float, in whatever order the library likes, against double: 2e-6 relative.
constexpr double kTolerance = 2e-6;

void Conv2d::expect_sum_of_products() const {
  const Array want = lessons::convolution::convolve(Array(x), Array(w), Array(bias), s.spec);
  for_each_device([&](Device device) {
    const Tensor y = op()({x.to(device), to_memory(w).to(device), bias.to(device)});
    EXPECT_TRUE(close(y, want.tensor(), kTolerance));
  });
}

void Conv2d::expect_gradients_of_products() const {
  for_each_device([&](Device device) {
    const std::vector<Tensor> inputs = {x.to(device), to_memory(w).to(device), bias.to(device)};
    const std::uint64_t seed = 4;
    const Array dy(random_upstream(op()(inputs).shape(), seed));
    const Arrays want = lessons::convolution::convolution_gradients(Array(x), Array(w), dy, s.spec, {});
    const std::vector<Tensor> got = gradients(op(), inputs, seed);
    EXPECT_TRUE(close(got[0], want[0].tensor(), kTolerance)) << "dx";
    EXPECT_TRUE(close(from_memory(got[1]), want[1].tensor(), kTolerance)) << "dw";
    EXPECT_TRUE(close(got[2], want[2].tensor(), kTolerance)) << "dbias";
  });
}

TEST_P(Conv2d, IsTheSumOfItsProducts) { expect_sum_of_products(); }
TEST_P(Conv2d, GradientsAreTheSameProductsFromTheOtherSides) { expect_gradients_of_products(); }
TEST_P(Conv2dOfManyTiles, IsTheSumOfItsProducts) { expect_sum_of_products(); }
TEST_P(Conv2dOfManyTiles, GradientsAreTheSameProductsFromTheOtherSides) { expect_gradients_of_products(); }

TEST_P(Conv2d, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    expect_gradcheck(op(), {x.to(device), to_memory(w).to(device), bias.to(device)});
  });
}

TEST_P(Conv2d, CanDoWithoutBias) {
  const Tensor y = conv2d(x, to_memory(w), {}, s.spec);
  EXPECT_TRUE(close(y, conv2d(x, to_memory(w), Tensor::zeros({s.out}), s.spec), 1e-7));  // the same sum, one zero more
}

INSTANTIATE_TEST_SUITE_P(
    , Conv2d,
    ::testing::Values(
        Sizes{"pointwise", 2, 3, 5, 7, 4, 1, {}}, Sizes{"same_3x3", 2, 5, 4, 3, 6, 3, {.pad = 1}},
        Sizes{"strided_3x3", 1, 7, 6, 3, 5, 3, {.stride = 2, .pad = 1}},
        Sizes{"strided_pointwise", 2, 5, 4, 3, 5, 1, {.stride = 2}},
        Sizes{"dilated_and_strided", 1, 9, 7, 4, 3, 3, {.stride = 2, .pad = 2, .dilation = 2}},
        Sizes{"taps_mostly_outside", 1, 5, 4, 4, 3, 3, {.pad = 6, .dilation = 6}},
        Sizes{"other_along_w", 2, 9, 8, 3, 5, 3, {.stride = {2, 1}, .pad = {0, 2}, .dilation = {1, 2}}},
        Sizes{"depthwise_other_along_w", 1, 9, 8, 20, 20, 5, {.stride = {1, 2}, .pad = {2, 0}, .groups = 20}},
        Sizes{"patches_4x4", 1, 9, 8, 3, 5, 4, {.stride = 4}},
        Sizes{"stem_7x7", 1, 9, 8, 3, 4, 7, {.stride = 2, .pad = 3}},
        Sizes{"more_padding_than_needed", 1, 3, 4, 2, 3, 3, {.pad = 2}},
        Sizes{"one_channel_in", 2, 4, 5, 1, 3, 3, {.pad = 1}}, Sizes{"one_channel_out", 2, 4, 5, 20, 1, 3, {.pad = 1}},
        Sizes{"one_pixel", 3, 1, 1, 5, 4, 3, {.pad = 1}}, Sizes{"grouped", 2, 5, 4, 8, 12, 3, {.pad = 1, .groups = 4}},
        Sizes{"grouped_and_strided", 1, 6, 5, 4, 6, 3, {.stride = 2, .pad = 1, .groups = 2}},
        Sizes{"depthwise_3x3", 2, 5, 6, 19, 19, 3, {.pad = 1, .groups = 19}},
        Sizes{"depthwise_3x3_strided", 1, 7, 6, 16, 16, 3, {.stride = 2, .pad = 1, .groups = 16}},
        Sizes{"depthwise_5x5", 1, 7, 6, 10, 10, 5, {.pad = 2, .groups = 10}},
        Sizes{"depthwise_5x5_strided", 2, 8, 7, 5, 5, 5, {.stride = 2, .pad = 2, .groups = 5}}),
    [](const auto& instance) { return std::string(instance.param.name); });

constexpr auto kWinograd4 = ConvAlgorithm::winograd4, kWinograd6 = ConvAlgorithm::winograd6;

// Tiles that end beyond the image, lie in the padding alone, see one row; channels that do not fill registers.
INSTANTIATE_TEST_SUITE_P(
    Winograd, Conv2d,
    ::testing::Values(Sizes{"same_tile4", 2, 5, 4, 3, 6, 3, {.pad = 1}, kWinograd4},
                      Sizes{"same_tile6", 2, 5, 4, 3, 6, 3, {.pad = 1}, kWinograd6},
                      Sizes{"several_tiles4", 1, 7, 9, 17, 19, 3, {.pad = 1}, kWinograd4},
                      Sizes{"several_tiles6", 3, 9, 7, 19, 35, 3, {.pad = 1}, kWinograd6},
                      Sizes{"no_padding", 1, 6, 11, 5, 4, 3, {}, kWinograd6},
                      Sizes{"more_padding", 1, 3, 4, 2, 3, 3, {.pad = 2}, kWinograd6},
                      Sizes{"padding_beyond_the_window", 1, 3, 4, 2, 3, 3, {.pad = 4}, kWinograd4},
                      Sizes{"one_row", 2, 1, 9, 4, 3, 3, {.pad = 1}, kWinograd6},
                      Sizes{"one_pixel", 3, 1, 1, 5, 4, 3, {.pad = 1}, kWinograd6},
                      Sizes{"one_channel_in", 2, 4, 5, 1, 3, 3, {.pad = 1}, kWinograd6},
                      Sizes{"other_along_w", 2, 9, 8, 3, 5, 3, {.pad = {0, 2}, .dilation = {1, 2}}, kWinograd6},
                      Sizes{"dilated", 1, 11, 13, 4, 3, 3, {.pad = 3, .dilation = 3}, kWinograd6},
                      Sizes{"dilated_tile4", 2, 11, 8, 4, 3, 3, {.pad = 2, .dilation = 2}, kWinograd4},
                      Sizes{"dilated_beyond_the_image", 1, 5, 7, 4, 3, 3, {.pad = 24, .dilation = 24}, kWinograd6},
                      Sizes{"window_2x2_tile4", 1, 5, 7, 3, 6, 2, {.pad = 1}, kWinograd4},
                      Sizes{"window_2x2_tile6", 2, 7, 12, 18, 5, 2, {.pad = 1}, kWinograd6}),
    [](const auto& instance) { return std::string(instance.param.name); });

// More of them than a thread or a buffer takes at once: channels, weights, tiles, blocks of tiles.
INSTANTIATE_TEST_SUITE_P(
    Winograd, Conv2dOfManyTiles,
    ::testing::Values(Sizes{"many_weights", 1, 14, 13, 185, 160, 3, {.pad = 12, .dilation = 12}, kWinograd6},
                      Sizes{"many_tiles", 1, 47, 45, 5, 4, 3, {.pad = 1}, kWinograd6},
                      Sizes{"chunks_of_tiles", 3, 53, 55, 5, 4, 3, {.pad = 1}, kWinograd4}),
    [](const auto& instance) { return std::string(instance.param.name); });

/// Shapes that different kernels compute: the library's, its depthwise one, Winograd's, and the one of a
/// single output channel.
struct Fused {
  const char* name;
  Shape w;  // 16 channels in
  Conv2dSpec spec;
  ConvAlgorithm algorithm = ConvAlgorithm::fastest;
};
const Fused kFused[] = {{"dense", {6, 3, 3, 16}, {.pad = 1}},
                        {"strided_pointwise", {40, 1, 1, 16}, {.stride = 2}},
                        {"depthwise", {5, 5, 16}, {.pad = 2, .groups = 16}},
                        {"winograd4", {18, 3, 3, 16}, {.pad = 1}, kWinograd4},
                        {"winograd6", {6, 3, 3, 16}, {.pad = 1}, kWinograd6},
                        {"one_channel", {1, 3, 3, 16}, {.pad = 1}}};
const Activation kActivations[] = {{},         {Act::relu},    {Act::hardswish},  {Act::leaky_relu, 0.2F},
                                   {Act::elu}, {Act::sigmoid}, {Act::hardsigmoid}};

/// Values on both sides of every kink: x, w, bias and residual.
std::vector<Tensor> fused_inputs(const Fused& f, Device device) {
  const Tensor x = random_tensor({2, 7, 6, 16}, 1, -2, 2, device), w = random_tensor(f.w, 2, -0.5F, 0.5F, device);
  const Tensor bias = random_tensor({f.w[f.w.rank() == 3 ? 2 : 0]}, 3, -2, 2, device);
  return {x, w, bias, random_tensor(conv2d(x, w, bias, f.spec).shape(), 4, -2, 2, device)};
}

void expect_fused_is_step_by_step(const Fused& f, const Activation& act, bool residual, Device device) {
  SCOPED_TRACE(cat(f.name, " ", name_of(act.kind), residual ? " + residual" : ""));
  const ChosenAlgorithm chosen(f.algorithm);
  std::vector<Tensor> inputs = fused_inputs(f, device);
  if (!residual) inputs.pop_back();
  Conv2dSpec fused = f.spec;
  fused.act = act;
  const Function one = [&](const auto& in) { return conv2d(in[0], in[1], in[2], fused, residual ? in[3] : Tensor()); };
  const Function steps = [&](const auto& in) {
    const Tensor z = conv2d(in[0], in[1], in[2], f.spec);
    return activate(residual ? add(z, in[3]) : z, act);
  };
  EXPECT_TRUE(close(one(inputs), steps(inputs), 1e-6));
  const std::vector<Tensor> got = gradients(one, inputs), want = gradients(steps, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(close(got[i], want[i], 2e-6)) << "input " << i;
}

TEST(Conv2dActivation, IsTheActivationOfTheSum) {
  for_each_device([](Device device) {
    for (const Fused& f : kFused) {
      for (const Activation& act : kActivations) {
        for (const bool residual : {false, true}) expect_fused_is_step_by_step(f, act, residual, device);
      }
    }
  });
}

// The kernel adds in place: to a copy, unless the caller gives the residual up.
TEST(Conv2dResidual, IsLeftAloneWhereSomebodyHoldsIt) {
  for_each_device([](Device device) {
    const std::vector<Tensor> in = fused_inputs(kFused[0], device);
    const Tensor before = in[3].clone();
    const Tensor y = conv2d(in[0], in[1], in[2], kFused[0].spec, in[3]);
    EXPECT_TRUE(close(in[3], before, 0));
    EXPECT_NE(y.raw(), in[3].raw());
    Tensor given = before.clone();
    const void* const memory = given.raw();
    const Tensor taken = conv2d(in[0], in[1], in[2], kFused[0].spec, std::move(given));
    EXPECT_EQ(taken.raw(), memory);
    EXPECT_TRUE(close(taken, y, 0));
  });
}

// A step with NaN must be noticed, so no fused activation may lose it.
TEST(Conv2dActivation, KeepsNan) {
  const auto expect_kept = [](i64 channels, const Activation& act, Device device) {
    SCOPED_TRACE(cat(name_of(act.kind), " of ", channels, " channels"));
    const Tensor x = random_tensor({1, 5, 6, 16}, 1);
    x.data()[(2 * 6 + 3) * 16 + 5] = std::numeric_limits<float>::quiet_NaN();  // row 2, column 3
    const Tensor y = conv2d(x.to(device), random_tensor({channels, 3, 3, 16}, 2, -1, 1, device).requires_grad_(),
                            random_tensor({channels}, 3, -1, 1, device), {.pad = 1, .act = act});
    const std::vector<float> got = y.to_host();
    for (i64 i = 0; i < y.numel(); ++i) {
      const i64 row = i / channels / 6, column = i / channels % 6;
      const bool sees_it = std::abs(row - 2) <= 1 && std::abs(column - 3) <= 1;
      EXPECT_EQ(std::isnan(got[std::size_t(i)]), sees_it) << row << ", " << column;
    }
  };
  for_each_device([&](Device device) {
    for (const Activation& act : kActivations) {
      for (const i64 channels : {1, 8}) expect_kept(channels, act, device);
    }
  });
}

// Winograd's tiles mix their pixels: those that see NaN are NaN, and so may be others of their tile.
TEST(Conv2dActivation, KeepsNanOfATile) {
  const Tensor x = random_tensor({1, 5, 6, 16}, 1);
  x.data()[(2 * 6 + 3) * 16 + 5] = std::numeric_limits<float>::quiet_NaN();  // row 2, column 3
  for (const ConvAlgorithm algorithm : {kWinograd4, kWinograd6}) {
    const ChosenAlgorithm chosen(algorithm);
    const Tensor y =
        conv2d(x, random_tensor({8, 3, 3, 16}, 2), random_tensor({8}, 3), {.pad = 1, .act = {Act::leaky_relu, 0.2F}});
    for (const i64 row : {1, 2, 3}) {
      for (const i64 column : {2, 3, 4}) EXPECT_TRUE(std::isnan(y.data()[(row * 6 + column) * 8])) << row << column;
    }
  }
}

TEST(Conv2dGradients, AreOnlyComputedForWhoAsks) {
  const Tensor image = random_tensor({1, 4, 5, 3}, 1), w = random_tensor({2, 3, 3, 3}, 2), b = random_tensor({2}, 3);
  w.requires_grad_();
  conv2d(image, w, b, {}).backward(random_tensor({1, 2, 3, 2}, 4));
  EXPECT_TRUE(w.grad());
  EXPECT_FALSE(image.grad());
  EXPECT_FALSE(b.grad());
}

// The rule takes Winograd's algorithm for large convolutions; who wants the sum as it stands, has it.
TEST(Conv2dAlgorithm, IsTheProcessesChoice) {
  const std::vector<Tensor> inputs = {random_tensor({2, 24, 24, 64}, 1), random_tensor({64, 3, 3, 64}, 2)};
  const Function f = [](const auto& in) { return conv2d(in[0], in[1], {}, {.pad = 1}); };
  const auto with = [&](ConvAlgorithm algorithm) {
    const ChosenAlgorithm chosen(algorithm);
    return f(inputs);
  };
  const Tensor direct = with(ConvAlgorithm::direct), fastest = with(ConvAlgorithm::fastest);
  EXPECT_TRUE(close(with(ConvAlgorithm::winograd6), fastest, 0));
  EXPECT_FALSE(close(direct, fastest, 0));
  EXPECT_TRUE(close(direct, fastest, 2e-6));
}

// The library keeps a weight in a layout of its own: one copy for each part of a tensor that serves as a weight.
TEST(Conv2dWeights, MayBeRowsOfOneTensor) {
  const Tensor x = random_tensor({1, 6, 7, 16}, 1), both = random_tensor({64, 3, 3, 16}, 2);
  for (const Tensor& part : {both.rows(0, 32), both.rows(32, 64)}) {
    const Function f = [](const auto& in) { return conv2d(in[0], in[1], {}, {.pad = 1}); };
    EXPECT_TRUE(close(f({x, part}), f({x, part.clone()}), 0));
  }
}

// A weight that does not change is transformed once, one that does each time.
TEST(Conv2dWeights, AreKeptTransformedUntilTheyChange) {
  const NoGrad no_grad;
  const Tensor x = random_tensor({1, 13, 15, 24}, 1);
  for (const auto algorithm : {ConvAlgorithm::winograd4, ConvAlgorithm::winograd6}) {
    const ChosenAlgorithm chosen(algorithm);
    const Tensor w = random_tensor({40, 3, 3, 24}, 2), changed = random_tensor({40, 3, 3, 24}, 3);
    const auto y = [&](const Tensor& weight) { return conv2d(x, weight, {}, {.pad = 1}); };
    const Tensor first = y(w), second = y(w);
    const Storage* const kept = w.storage().derived.begin()->second.copy.get();
    EXPECT_TRUE(kept);
    EXPECT_TRUE(close(y(w), first, 0) && close(second, first, 0));
    EXPECT_EQ(w.storage().derived.begin()->second.copy.get(), kept);
    w.copy_from(changed);
    EXPECT_TRUE(close(y(w), y(changed), 0)) << "of the weight as it was";
  }
}

TEST(Conv2dErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({2, 8, 9, 7});
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 3, 3, 8}), {}, {}), "conv2d: input [2,8,9,7] has 7 channels");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 3, 3, 7}), Tensor::zeros({7}), {}), "bias [7]");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 3, 3, 7}), {}, {.stride = 0}), "stride 0");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({4, 9, 9, 7}), {}, {}), "smaller than the window of [4,9,9,7]");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({4, 9, 9, 7}), {}, {.stride = 2}), "smaller than the window of [4,9,9,7]");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 0, 3, 7}), {}, {}), "weight [16,0,3,7] is empty");
  EXPECT_ERROR(conv2d(Tensor::zeros({2, 8, 9, 0}), Tensor::zeros({16, 3, 3, 0}), {}, {}), "[2,8,9,0] wants");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 3, 3, 7}), {}, {.act = {Act::leaky_relu, -0.1F}}), "slope -0.1");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({4, 3, 3, 7}), {}, {}, x), "residual [2,8,9,7] f32 for an output [2,6,7,4] f32");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({4, 3, 3, 7}), {}, {.accumulate = true}), "what is added is the residual");
  const Tensor i32 = Tensor::zeros({16, 3, 3, 7}, {}, DType::i32), bias = Tensor::zeros({16}, {}, DType::i32);
  EXPECT_ERROR(conv2d(x, i32, {}, {}), "conv2d: [16,3,3,7] i32 beside [2,8,9,7] f32");
  EXPECT_ERROR(conv2d(x, Tensor::zeros({16, 3, 3, 7}), bias, {}), "conv2d: [16] i32 beside [2,8,9,7] f32");
  EXPECT_ERROR(conv2d(Tensor::zeros({8, 9, 7}), Tensor::zeros({16, 3, 3, 7}), {}, {}), "[8,9,7] wants [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
