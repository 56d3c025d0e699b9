// LT and what all networks share: PyTorch's names, the number of parameters, the default initialisation, padding to
// multiples of 32. That the numbers equal PyTorch's is the golden tests' business (networks/lt_*).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/autograd.h"
#include "engine/backend.h"
#include "layers/ops.h"
#include "nets/registry.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

std::unique_ptr<DepthNet> lt(std::uint64_t seed = 0) { return make_net("lt", {.max_depth_m = 10.F, .seed = seed}); }

TEST(LtTest, NamesShapesAndCountAreThoseOfPyTorch) {
  std::ifstream file(test::source_dir() + "/tools/convert/manifests/lt.json");
  ASSERT_TRUE(file) << "tools/convert/manifests/lt.json is missing";
  const nlohmann::json manifest = nlohmann::json::parse(file);
  const auto net = lt();
  const State state = net->state();
  std::set<std::string> parameters;
  i64 count = 0;
  for (const auto& entry : net->parameters()) {
    parameters.insert(entry.name);
    count += entry.tensor.numel();
  }
  EXPECT_EQ(count, 4010225);
  EXPECT_EQ(count, manifest["total_parameters"]);
  EXPECT_EQ(state.size(), manifest["entries"].size());
  for (const auto& entry : manifest["entries"]) {
    const std::string name = entry["name"];
    ASSERT_TRUE(state.contains(name)) << name;
    EXPECT_EQ(state.at(name).shape(), Shape(entry["shape"].get<std::vector<i64>>())) << name;
    EXPECT_EQ(state.at(name).dtype() == DType::f32, entry["dtype"] == "float32") << name;
    EXPECT_EQ(parameters.contains(name), entry["kind"] == "param") << name;
  }
}

/// PyTorch's default: weights and biases of convolutions uniform in +-1/sqrt(fan_in); batch norm 1 and 0.
TEST(LtTest, EveryLayerStartsWithPyTorchsStandardDeviation) {
  const State state = lt(3)->state();
  for (const auto& [name, tensor] : state) {
    if (!name.ends_with("weight") || tensor.shape().rank() != 4) continue;
    const double bound = std::sqrt(double(tensor.dim(0)) / double(tensor.numel()));  // 1/sqrt(fan_in)
    double sum = 0, squares = 0, largest = 0;
    for (const double w : test::to_double(tensor)) {
      sum += w;
      squares += w * w;
      largest = std::max(largest, std::abs(w));
    }
    const double n = double(tensor.numel()), sigma = bound / std::sqrt(3.0);
    EXPECT_LE(largest, bound) << name;
    // Five standard errors: of the mean sigma/sqrt(n); of the deviation sigma*sqrt((1.8 - 1)/(4n)), kurtosis 1.8.
    EXPECT_NEAR(sum / n, 0, 5 * sigma / std::sqrt(n)) << name;
    EXPECT_NEAR(std::sqrt(squares / n), sigma, 5 * sigma * std::sqrt(0.2 / n)) << name;
    const auto bias = state.find(name.substr(0, name.size() - 6) + "bias");
    if (bias == state.end()) continue;
    for (const double b : test::to_double(bias->second)) EXPECT_LE(std::abs(b), bound) << bias->first;
  }
  EXPECT_EQ(state.at("encoder.features.0.1.weight").to_host(), std::vector<float>(16, 1.F));
  EXPECT_EQ(state.at("encoder.features.0.1.bias").to_host(), std::vector<float>(16, 0.F));
}

TEST(LtTest, TheSeedFixesTheWeights) {
  const State a = lt(1)->state(), b = lt(1)->state(), c = lt(2)->state();
  EXPECT_EQ(a.at("up4.conv2.weight").to_host(), b.at("up4.conv2.weight").to_host());
  EXPECT_NE(a.at("up4.conv2.weight").to_host(), c.at("up4.conv2.weight").to_host());
}

TEST(LtTest, MapsHaveTheirSizesAndDepthItsRange) {
  const NoGrad no_grad;
  const auto net = lt();
  net->eval();
  const DepthMaps maps = net->forward(test::random_tensor({2, 64, 96, 3}, 1));
  EXPECT_EQ(maps.depth_m.shape(), (Shape{2, 64, 96, 1}));
  EXPECT_EQ(maps.features.shape(), (Shape{2, 32, 48, 32}));
  for (const float depth : maps.depth_m.to_host()) {
    ASSERT_GT(depth, 0.F);
    ASSERT_LT(depth, 10.F);
  }
}

TEST(LtTest, AnySizeIsPaddingAndCroppingByHand) {
  const NoGrad no_grad;
  const auto net = lt();
  net->eval();
  struct Size {
    i64 h, w, padded_h, padded_w;
  };
  for (const Size s : {Size{33, 64, 64, 64}, Size{64, 70, 64, 96}, Size{45, 95, 64, 96}, Size{32, 32, 32, 32}}) {
    const Tensor image = test::random_tensor({1, s.h, s.w, 3}, 5);
    const DepthMaps maps = net->forward(image);
    const DepthMaps whole = net->forward(pad_reflect(image, s.padded_h, s.padded_w));
    ASSERT_EQ(maps.depth_m.shape(), (Shape{1, s.h, s.w, 1}));
    EXPECT_EQ(maps.depth_m.to_host(), crop(whole.depth_m, s.h, s.w).to_host());
    const i64 h = (s.h + 1) / 2, w = (s.w + 1) / 2;  // the features that lie over the image
    ASSERT_EQ(maps.features.shape(), (Shape{1, h, w, 32}));
    EXPECT_EQ(maps.features.to_host(), crop(whole.features, h, w).to_host());
  }
}

TEST(LtTest, TrainsThroughThePadding) {
  const auto net = lt();
  const Tensor image = test::random_tensor({2, 40, 50, 3}, 7);
  sum(net->forward(image).depth_m).backward();
  for (const auto& entry : net->parameters()) ASSERT_TRUE(entry.tensor.grad()) << entry.name;
}

TEST(LtTest, DecoderHoldsNoMapThatIsNotReadAgain) {
  const auto net = lt();
  net->eval();
  const NoGrad no_grad;
  const Tensor image = test::random_tensor({1, 128, 160, 3}, 1);
  const double before = double(backend({}).pool_stats().bytes_in_use);
  double most = 0;
  bool decoder = false;
  const Trace trace([&](const Op& op, const Tensor& /*y*/, const std::vector<Tensor>& /*inputs*/) {
    decoder = decoder || op.name() == std::string("upsample_concat");
    if (decoder) most = std::max(most, double(backend({}).pool_stats().bytes_in_use) - before);
  });
  net->forward(image);
  // At half the size: 48 channels upsampled beside 16, the 32 that are made of them, and a tenth for all else.
  EXPECT_LT(most, 1.1 * (48 + 16 + 32) * 64 * 80 * sizeof(float));
  EXPECT_GT(most, (48 + 16 + 32) * 64 * 80 * sizeof(float));
}

TEST(LtTest, RefusesOtherSizesAndNames) {
  const auto net = lt();
  for (const Shape& shape : {Shape{1, 31, 64, 3}, Shape{1, 64, 4097, 3}, Shape{1, 64, 64, 4}, Shape{64, 64, 3}})
    EXPECT_THROW(net->forward(Tensor::empty(shape)), Error) << shape;
  try {
    make_net("lite", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("lt"), std::string::npos);
  }
}

}  // namespace
}  // namespace md
