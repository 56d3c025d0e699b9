// Every layer that takes bf16 maps, beside itself in f32. Both are given the same numbers, which bf16 has, so that all
// that differs is what the layer rounds, by at most 2^-8 of a number: its result, and of a product the weights, whose
// errors add up to at most 2^-8 of the sum of the products' absolute values. That sum is what the layer makes of the
// absolute values of all its numbers. Of the other layers each number is held to the largest in its row (the channels
// of a pixel; of a parameter's gradient, all of it). Both to 2^-8 as often as the layer rounds.
// Labels: devices cudnn
#include <algorithm>
#include <cmath>

#include "engine/bf16.h"
#include "engine/conv_algorithm.h"
#include "layers/ops.h"
#include "tests/kit/bf16.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

using Tensors = std::vector<Tensor>;

struct Layer {
  const char* name;
  std::function<Tensor(const Tensors& maps, const Tensors& parameters)> f;
  std::vector<Shape> maps, parameters = {};
  int roundings = 1;  // one after the other
  bool sums_products = false;
};
std::ostream& operator<<(std::ostream& out, const Layer& it) { return out << it.name; }

void drop_signs(const Tensor& x) {
  for (i64 i = 0; i < x.numel(); ++i) x.data()[i] = std::abs(x.data()[i]);
}

/// Numbers that bf16 has; of a bf16 device as bf16, where its maps are wide enough.
Tensor map_of(const Shape& shape, std::uint64_t seed, Device device, bool positive = false) {
  const Tensor x = random_tensor(shape, seed, -2, 2);
  if (positive) drop_signs(x);
  return cast(cast(x, DType::bf16), map_dtype(device.precision, shape[-1])).to(device);
}

struct Results {
  Tensor y;
  Tensors of_maps, of_parameters;
};

Results run(const Layer& layer, Device device, bool positive = false) {
  Tensors maps, parameters;
  std::uint64_t seed = 1;
  for (const Shape& shape : layer.maps) maps.push_back(map_of(shape, seed++, device, positive).requires_grad_());
  for (const Shape& shape : layer.parameters) {
    const Tensor parameter = random_tensor(shape, seed++, -1, 1);
    if (positive) drop_signs(parameter);
    parameters.push_back(parameter.to(device).requires_grad_());
  }
  const Tensor y = layer.f(maps, parameters);
  y.backward(cast(map_of(y.shape(), seed, device, positive), y.dtype()));
  Results all{y.detach(), {}, {}};
  for (const Tensor& map : maps) all.of_maps.push_back(map.grad());
  for (const Tensor& parameter : parameters) all.of_parameters.push_back(parameter.grad());
  return all;
}

/// The largest of each row of so many numbers, as many times.
Tensor largest_of_rows(const Tensor& x, i64 row) {
  const Tensor most = Tensor::empty(x.shape());
  for (i64 i = 0; i < x.numel(); i += row) {
    float largest = 0;
    for (i64 k = i; k < i + row; ++k) largest = std::max(largest, std::abs(x.data()[k]));
    std::fill_n(most.data() + i, row, largest);
  }
  return most;
}

/// The largest error of a number, as a part of its scale.
double error(const Tensor& got, const Tensor& want, const Tensor& scale) {
  EXPECT_EQ(got.shape(), want.shape());
  const std::vector<float> a = cast(got, DType::f32).to_host(), b = want.to_host(), c = scale.to_host();
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(double(a[i]) - double(b[i]));
    most = std::max(most, off == 0 ? 0 : off / double(c[i]));
  }
  return most;
}

/// What each number of the results is measured by.
Results scales(const Layer& layer, const Results& want) {
  if (layer.sums_products) return run(layer, {}, true);
  Results all{largest_of_rows(want.y, want.y.dim(-1)), {}, {}};
  for (const Tensor& map : want.of_maps) all.of_maps.push_back(largest_of_rows(map, map.dim(-1)));
  for (const Tensor& of : want.of_parameters) all.of_parameters.push_back(largest_of_rows(of, of.numel()));
  return all;
}

Conv2dSpec conv(int pad, Activation act = {}, int stride = 1, int groups = 1) {
  return {.stride = stride, .pad = pad, .groups = groups, .act = act};
}

std::function<Tensor(const Tensors&, const Tensors&)> convolution(const Conv2dSpec& spec) {
  return [=](const Tensors& maps, const Tensors& p) {
    return conv2d(maps[0], p[0], p.size() > 1 ? p[1] : Tensor(), spec);
  };
}

std::function<Tensor(const Tensors&, const Tensors&)> normalise(Act act, bool training = true) {
  return [=](const Tensors& maps, const Tensors& p) {
    const Device device = maps[0].device();
    const i64 C = maps[0].dim(-1);
    BatchNormState state{Tensor::full({C}, 0.25F, device), Tensor::full({C}, 2.F, device)};
    state.training = training;
    return batch_norm(maps[0], p[0], p[1], state, {.act = {act}}, maps.size() > 1 ? maps[1] : Tensor());
  };
}

template <class F>
std::function<Tensor(const Tensors&, const Tensors&)> of_map(const F& f) {
  return [=](const Tensors& maps, const Tensors&) { return f(maps[0]); };
}

/// A gate with a weight for each channel.
Tensor gated(const Tensors& maps, const Tensors& p) {
  return squeeze_excite(maps[0], [&](const Tensor& mean) { return sigmoid(conv2d(mean, p[0], {}, {})); });
}

/// Which samples survive, some of them.
Tensor dropped(const Tensor& x) { return drop_factors({0.4}, x.dim(0), {.seed = 3}, x.device()).reshape({x.dim(0)}); }

std::vector<Layer> products() {
  std::vector<Layer> all = {
      {"conv2d_3x3", convolution(conv(1)), {{2, 9, 11, 24}}, {{40, 3, 3, 24}, {40}}},
      {"conv2d_1x1", convolution(conv(0)), {{2, 5, 7, 64}}, {{32, 1, 1, 64}}},
      {"conv2d_7x7_of_an_image", convolution(conv(3, {}, 2)), {{2, 17, 12, 3}}, {{16, 7, 7, 3}}},
      {"conv2d_elu", convolution(conv(1, {Act::elu})), {{1, 8, 9, 16}}, {{24, 3, 3, 16}, {24}}, 3},
      {"conv2d_grouped", convolution(conv(1, {}, 1, 4)), {{1, 8, 9, 32}}, {{32, 3, 3, 8}}},
      {"conv2d_dilated", convolution({.pad = 3, .dilation = 3}), {{1, 12, 13, 16}}, {{16, 3, 3, 16}}},
      {"conv2d_to_one_channel", convolution(conv(1)), {{2, 9, 10, 32}}, {{1, 3, 3, 32}, {1}}, 2},
      {"conv2d_to_three_channels", convolution(conv(0)), {{2, 9, 10, 16}}, {{3, 1, 1, 16}}, 2},
      {"conv2d_to_odd_channels", convolution(conv(0)), {{1, 30, 40, 16}}, {{33, 1, 1, 16}}},
      {"depthwise_3x3", convolution(conv(1, {}, 1, 20)), {{2, 9, 11, 20}}, {{3, 3, 20}, {20}}},
      {"depthwise_5x5_s2", convolution(conv(2, {}, 2, 72)), {{2, 13, 10, 72}}, {{5, 5, 72}}},
      {"depthwise_dilated",
       convolution({.stride = 2, .pad = 4, .dilation = 2, .groups = 16}),
       {{1, 11, 9, 16}},
       {{3, 3, 16}}},
      {"upsample_conv2d",
       [](const Tensors& maps, const Tensors& p) { return upsample_conv2d(maps[0], p[0], {Act::elu}); },
       {{1, 6, 7, 24}},
       {{16, 3, 3, 24}},
       3},
      {"linear",
       [](const Tensors& maps, const Tensors& p) { return linear(maps[0], p[0], p[1]); },
       {{2, 5, 7, 48}},
       {{32, 48}, {32}}},
      {"linear_of_many_rows",
       [](const Tensors& maps, const Tensors& p) { return linear(maps[0], p[0], {}); },
       {{1, 100, 90, 16}},
       {{24, 16}}},
      {"linear_of_many_channels",  // several blocks of each, and parts of blocks
       [](const Tensors& maps, const Tensors& p) { return linear(maps[0], p[0], p[1]); },
       {{1, 25, 23, 531}},
       {{279, 531}, {279}}},
  };
  for (Layer& layer : all) {
    layer.sums_products = true;
    layer.roundings += 1;  // the weight's
  }
  return all;
}

std::vector<Layer> others() {
  return {
      {"batch_norm", normalise(Act::none), {{2, 7, 9, 24}}, {{24}, {24}}},
      {"batch_norm_relu", normalise(Act::relu), {{3, 7, 9, 12}}, {{12}, {12}}},
      {"batch_norm_hardswish", normalise(Act::hardswish), {{3, 7, 9, 80}}, {{80}, {80}}},
      {"batch_norm_of_evaluation", normalise(Act::relu, false), {{3, 7, 9, 16}}, {{16}, {16}}},
      {"batch_norm_residual", normalise(Act::none), {{2, 7, 9, 24}, {2, 7, 9, 24}}, {{24}, {24}}, 2},
      {"layer_norm",
       [](const Tensors& maps, const Tensors& p) { return layer_norm(maps[0], p[0], p[1]); },
       {{2, 5, 7, 50}},
       {{50}, {50}}},
      {"group_norm",
       [](const Tensors& maps, const Tensors& p) { return group_norm(maps[0], 4, p[0], p[1]); },
       {{2, 3, 3, 32}},
       {{32}, {32}}},
      {"window_attention",
       [](const Tensors& maps, const Tensors& p) {
         return window_attention(maps[0], {}, p[0], p[1], {2, 3});
       },
       {{1, 9, 12, 72}},
       {{72}, {169, 2}}},
      {"window_attention_of_values",
       [](const Tensors& maps, const Tensors& p) {
         return window_attention(maps[0], maps[1], p[0], p[1], {3, 0});
       },
       {{2, 10, 7, 48}, {2, 10, 7, 24}},
       {{48}, {169, 3}}},
      {"relu", of_map(relu), {{3, 40, 11}}},
      {"leaky_relu", of_map([](const Tensor& x) { return leaky_relu(x, 0.2F); }), {{3, 40, 11}}},
      {"elu", of_map(elu), {{3, 40, 11}}, {}, 2},
      {"sigmoid", of_map(sigmoid), {{3, 40, 11}}, {}, 4},  // the slope (1 - y) y is at most a quarter
      {"hardswish", of_map(hardswish), {{3, 40, 11}}},
      {"gelu", of_map(gelu), {{3, 40, 11}}},
      {"add", [](const Tensors& maps, const Tensors&) { return add(maps[0], maps[1]); }, {{5, 9, 8}, {5, 9, 8}}},
      {"multiply",
       [](const Tensors& maps, const Tensors&) { return multiply(maps[0], maps[1]); },
       {{5, 9, 8}, {5, 9, 8}}},
      {"scale", of_map([](const Tensor& x) { return scale(x, 0.3F); }), {{5, 9, 8}}},
      {"multiply_channels",
       [](const Tensors& maps, const Tensors&) { return multiply_channels(maps[0], maps[1]); },
       {{2, 5, 6, 16}, {2, 1, 1, 16}}},
      {"squeeze_excite", gated, {{2, 5, 6, 16}}, {{16, 1, 1, 16}}, 4},
      {"stochastic_depth", of_map([](const Tensor& x) { return stochastic_depth(x, dropped(x)); }), {{6, 3, 4, 8}}},
      {"add_stochastic_depth",
       [](const Tensors& maps, const Tensors&) { return add_stochastic_depth(maps[0], maps[1], dropped(maps[0])); },
       {{6, 3, 4, 8}, {6, 3, 4, 8}},
       {},
       2},  // of the scaled branch, and of the sum
      {"concat_of_both_types",
       [](const Tensors& maps, const Tensors&) { return concat(maps); },
       {{2, 5, 6, 16}, {2, 5, 6, 1}, {2, 5, 6, 9}}},
      {"slice_channels", of_map([](const Tensor& x) { return slice_channels(x, 3, 12); }), {{5, 4, 20}}},
      {"upsample_bilinear", of_map([](const Tensor& x) { return upsample_bilinear(x, 11, 15); }), {{2, 6, 7, 80}}},
      {"upsample_nearest", of_map([](const Tensor& x) { return upsample_nearest(x, 2.0); }), {{2, 6, 7, 16}}},
      {"upsample_concat",
       [](const Tensors& maps, const Tensors&) { return upsample_concat(maps[0], maps[1]); },
       {{2, 4, 5, 24}, {2, 8, 9, 16}}},
      {"mean_over_pixels", of_map([](const Tensor& x) { return adaptive_avg_pool(x, 1, 1); }), {{2, 6, 7, 16}}},
      {"adaptive_avg_pool", of_map([](const Tensor& x) { return adaptive_avg_pool(x, 2, 3); }), {{2, 6, 7, 16}}},
      {"avg_pool", of_map([](const Tensor& x) { return avg_pool(x, 2); }), {{2, 6, 8, 16}}},
      {"max_pool",
       of_map([](const Tensor& x) { return max_pool(x, {.kernel = 3, .stride = 2, .pad = 1}); }),
       {{2, 9, 8, 40}}},
      {"pixel_shuffle", of_map([](const Tensor& x) { return pixel_shuffle(x, 2); }), {{2, 3, 4, 32}}},
      {"merge_patches", of_map(merge_patches), {{2, 5, 4, 16}}},
      {"pad_reflect", of_map([](const Tensor& x) { return pad_reflect(x, 7, 9); }), {{2, 5, 6, 8}}},
      {"crop", of_map([](const Tensor& x) { return crop(x, 3, 4); }), {{2, 5, 6, 8}}},
  };
}

class Bf16Layers : public testing::TestWithParam<Layer> {};

TEST_P(Bf16Layers, AreF32WithinTheirRoundings) {
  const Layer& layer = GetParam();
  const double bound = layer.roundings * 0x1p-8;
  const Results want = run(layer, {}), scale = scales(layer, want);
  for_each_bf16(kEitherRate, [&](Device device) {
    const Results got = run(layer, device);
    EXPECT_EQ(got.y.dtype(), map_dtype(Precision::bf16, got.y.dim(-1)));
    EXPECT_LE(error(got.y, want.y, scale.y), bound) << "y";
    for (std::size_t i = 0; i < want.of_maps.size(); ++i)
      EXPECT_LE(error(got.of_maps[i], want.of_maps[i], scale.of_maps[i]), bound) << "gradient of map " << i;
    for (std::size_t i = 0; i < want.of_parameters.size(); ++i) {
      EXPECT_EQ(got.of_parameters[i].dtype(), DType::f32);
      EXPECT_LE(error(got.of_parameters[i], want.of_parameters[i], scale.of_parameters[i]), bound)
          << "gradient of parameter " << i;
    }
  });
}

TEST_P(Bf16Layers, HaveTheSameBitsTwice) {
  for_each_bf16(kEitherRate, [&](Device device) {
    const Results once = run(GetParam(), device), again = run(GetParam(), device);
    EXPECT_EQ(cast(once.y, DType::f32).to_host(), cast(again.y, DType::f32).to_host());
    for (std::size_t i = 0; i < once.of_parameters.size(); ++i)
      EXPECT_EQ(once.of_parameters[i].to_host(), again.of_parameters[i].to_host());
  });
}

const auto kName = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Products, Bf16Layers, testing::ValuesIn(products()), kName);
INSTANTIATE_TEST_SUITE_P(Others, Bf16Layers, testing::ValuesIn(others()), kName);

/// Tiles of either size, which are computed with in f32, are held to what the direct convolution is.
TEST(Bf16Winograd, RoundsItsResultsAlone) {
  const Layer layers[] = {
      {"3x3", convolution(conv(1, {Act::relu})), {{2, 9, 11, 24}}, {{40, 3, 3, 24}, {40}}, 1, true},
      {"3x3, part of a register", convolution(conv(1)), {{1, 7, 8, 20}}, {{44, 3, 3, 20}}, 1, true},
      {"dilated", convolution({.pad = 3, .dilation = 3}), {{1, 12, 13, 16}}, {{16, 3, 3, 16}}, 1, true},
      {"2x2", convolution(conv(0)), {{1, 9, 10, 16}}, {{32, 2, 2, 16}}, 1, true}};
  for (const Layer& layer : layers) {
    const Results want = run(layer, {}), scale = scales(layer, want);
    for (const ConvAlgorithm tiles : {ConvAlgorithm::winograd4, ConvAlgorithm::winograd6}) {
      choose_conv_algorithm(tiles);
      for_each_bf16_cpu([&] {
        const Results got = run(layer, kBf16Cpu);
        EXPECT_LE(error(got.y, want.y, scale.y), 0x1p-8) << layer;
        EXPECT_LE(error(got.of_maps[0], want.of_maps[0], scale.of_maps[0]), 0x1p-8) << layer;
        // Of the weights nothing is rounded, and nothing of what their gradient is made of.
        EXPECT_LE(error(got.of_parameters[0], want.of_parameters[0], scale.of_parameters[0]), 1e-5) << layer;
      });
      choose_conv_algorithm(ConvAlgorithm::fastest);
    }
  }
}

/// Where bf16 is the slower arithmetic, products are computed in f32 of the weights as they are.
TEST(Bf16Widened, RoundsItsResultsAlone) {
  const Layer layers[] = {
      {"1x1", convolution(conv(0)), {{2, 9, 11, 72}}, {{40, 1, 1, 72}, {40}}, 1, true},
      {"1x1, parts of registers", convolution(conv(0)), {{1, 29, 31, 51}}, {{43, 1, 1, 51}}, 1, true},
      {"linear",
       [](const Tensors& maps, const Tensors& p) { return linear(maps[0], p[0], p[1]); },
       {{3, 67, 300}},
       {{290, 300}, {290}},
       1,
       true}};
  const EmulatedBf16 slower(0.5);
  for (const Layer& layer : layers) {
    const Results want = run(layer, {}), scale = scales(layer, want), got = run(layer, kBf16Cpu);
    EXPECT_LE(error(got.y, want.y, scale.y), 0x1p-8) << layer;
    EXPECT_LE(error(got.of_maps[0], want.of_maps[0], scale.of_maps[0]), 0x1p-8) << layer;
    for (std::size_t i = 0; i < want.of_parameters.size(); ++i)
      EXPECT_LE(error(got.of_parameters[i], want.of_parameters[i], scale.of_parameters[i]), 1e-5) << layer;
  }
}

/// In a network's inference the residual is added, and the activation applied, by the convolution.
TEST(Bf16Inference, AddsTheResidualInTheConvolution) {
  const Shape x{2, 6, 7, 64}, z{2, 6, 7, 40};
  for (const int k : {1, 3}) {
    const auto run_on = [&](Device device) {
      const NoGrad off;
      return conv2d(map_of(x, 1, device), random_tensor({40, k, k, 64}, 2, -1, 1, device), {}, conv(k / 2, {Act::relu}),
                    map_of(z, 3, device));
    };
    const Tensor want = run_on({});
    for_each_bf16(kEitherRate, [&](Device device) {
      EXPECT_LE(error(run_on(device), want, largest_of_rows(want, 40)), 2 * 0x1p-8);
    });
  }
}

/// A weight is rounded again, or written in panels, when it has changed.
TEST(Bf16Inference, FollowsTheWeights) {
  for_each_bf16(kEitherRate, [](Device device) {
    const NoGrad off;
    for (const int k : {1, 3}) {
      const Tensor x = map_of({1, 9, 8, 64}, 1, device), w = random_tensor({40, k, k, 64}, 2, -1, 1, device);
      for (int i = 0; i < 3; ++i) conv2d(x, w, {}, conv(k / 2));  // from the second on the copy is kept
      w.copy_from(random_tensor({40, k, k, 64}, 5));
      const Tensor fresh = w.clone();
      EXPECT_EQ(cast(conv2d(x, w, {}, conv(k / 2)), DType::f32).to_host(),
                cast(conv2d(x, fresh, {}, conv(k / 2)), DType::f32).to_host());
    }
  });
}

TEST(Bf16Errors, SayWhichOperandIsOfAnotherType) {
  const EmulatedBf16 on;
  const Tensor narrow = map_of({1, 4, 4, 3}, 1, kBf16Cpu), wide = map_of({1, 4, 4, 8}, 2, kBf16Cpu);
  EXPECT_ERROR(add(wide, cast(wide, DType::f32)), "add: [1,4,4,8] f32 beside [1,4,4,8] bf16");
  EXPECT_ERROR(softmax(wide), "tensor [1,4,4,8] holds bf16 wanted as f32");
  EXPECT_ERROR(conv2d(wide.to(Device{}), Tensor::zeros({8, 1, 1, 8}), {}, {}),
               "conv2d: [1,4,4,8] bf16 beside [1,4,4,8] bf16");
  EXPECT_EQ(relu(narrow).dtype(), DType::f32);
}

}  // namespace
}  // namespace md::test
