// The three networks in bf16 beside themselves in f32. What is compared is what rounding alone decides: with random
// weights, the batch norms of BTS's 50 layers make of the rounding of an f32 image's numbers to bf16 an error of a
// quarter in the last layer (over the 12 pixels that it has here), and its planes, where one is seen edge-on, have any
// depth. So BTS normalises by running statistics and is read before its planes, and of depth the median pixel counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/modules.h"
#include "layers/ops.h"
#include "nets/bts.h"
#include "nets/registry.h"
#include "tests/kit/bf16.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

constexpr double kPercent = 0.01;  // of some ten roundings one after the other, of 2^-8 at most

struct Pass {
  std::vector<Tensor> maps, gradients;  // what is compared, and the gradients of all parameters
};

Tensor images(Device device) { return random_tensor({2, 64, 96, 3}, 2, -2, 2, device); }

Tensor energy(const Tensor& map) {
  const Tensor x = cast(map, DType::f32);
  return mean(multiply(x, x));
}

Pass backward(const Module& net, const std::vector<Tensor>& maps, const Tensor& loss) {
  loss.backward();
  Pass pass;
  for (const Tensor& map : maps) pass.maps.push_back(cast(map.detach(), DType::f32));
  for (const Module::Entry& parameter : net.parameters()) {
    if (parameter.tensor.grad()) pass.gradients.push_back(parameter.tensor.grad());
  }
  return pass;
}

Pass training_pass(const std::string& name, Device device) {
  const auto net = make_net(name, {.seed = 1, .drop_path_rate = 0.});
  net->to(device);
  const DepthMaps maps = net->forward(images(device));
  EXPECT_EQ(maps.depth_m.dtype(), DType::f32);
  EXPECT_EQ(maps.features.dtype(), DType::f32);
  return backward(*net, {maps.depth_m, maps.features}, add(mean(maps.depth_m), energy(maps.features)));
}

/// Encoder and decoder up to the pyramid's map, before the first planes.
Pass pyramid_pass(const std::string& /*name*/, Device device) {
  Bts net({.seed = 1}, 50);
  net.eval();
  net.to(device);
  Tensor pyramid;
  net.run(images(device), {}, [&](const std::string& layer, const Tensor& output) {
    if (layer == "decoder.daspp_conv") pyramid = output;
  });
  EXPECT_EQ(pyramid.dtype(), map_dtype(device.precision, pyramid.dim(3)));
  return backward(net, {pyramid}, energy(pyramid));
}

/// The cosine of all gradients together.
double cosine(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const std::vector<double> x = to_double(a[k]), y = to_double(b[k]);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ab += x[i] * y[i];
      aa += x[i] * x[i];
      bb += y[i] * y[i];
    }
  }
  return ab / std::sqrt(aa * bb);
}

void expect_near(const Pass& got, const Pass& want) {
  for (std::size_t i = 0; i < want.maps.size(); ++i)
    EXPECT_LE(relative_l2(got.maps[i], want.maps[i]), 2 * kPercent) << "map " << i;
  ASSERT_EQ(got.gradients.size(), want.gradients.size());
  for (const Tensor& gradient : got.gradients) EXPECT_EQ(gradient.dtype(), DType::f32);
  EXPECT_GE(cosine(got.gradients, want.gradients), 0.98);
}

struct Net {
  const char* name;
  Pass (*pass)(const std::string&, Device);
};
std::ostream& operator<<(std::ostream& out, const Net& net) { return out << net.name; }

class Bf16Nets : public testing::TestWithParam<Net> {};

TEST_P(Bf16Nets, TrainNearF32) {
  const auto [name, pass] = GetParam();
  const Pass want = pass(name, {});
  for_each_bf16([&, name = name, pass = pass](Device device) { expect_near(pass(name, device), want); });
}

Tensor prediction(const std::string& name, Device device) {
  const auto net = make_net(name, {.seed = 1});
  net->eval();
  fold_batch_norms(*net);
  net->to(device);
  const NoGrad off;
  return net->forward(random_tensor({1, 70, 90, 3}, 2, -2, 2, device)).depth_m;
}

TEST_P(Bf16Nets, PredictNearF32) {
  const std::vector<float> want = prediction(GetParam().name, {}).to_host();
  for_each_bf16([&](Device device) {
    const std::vector<float> got = prediction(GetParam().name, device).to_host();
    std::vector<double> errors;
    for (std::size_t i = 0; i < want.size(); ++i)
      errors.push_back(std::abs(double(got[i]) - double(want[i])) / double(want[i]));
    std::nth_element(errors.begin(), errors.begin() + std::ptrdiff_t(errors.size() / 2), errors.end());
    EXPECT_LE(errors[errors.size() / 2], kPercent);
  });
}

const auto kName = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(All, Bf16Nets,
                         testing::Values(Net{"lt", training_pass}, Net{"bts", pyramid_pass},
                                         Net{"newcrfs_tiny07", training_pass}),
                         kName);

}  // namespace
}  // namespace md::test
