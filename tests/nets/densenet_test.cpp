// DenseNet and the BTS that reads it: what a reimplementation gets wrong, one test for each trap; sizes,
// initialisation, freezing. That the numbers equal PyTorch's is the golden tests' business (networks/bts_densenet*).
#include "nets/densenet.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd.h"
#include "nets/bts.h"
#include "nets/registry.h"
#include "tests/kit/host_map.h"
#include "tests/kit/testing.h"
#include "tests/nets/bts_fixture.h"

namespace md {
namespace {

using test::close;
using test::frozen;
using test::random_tensor;

i64 numbers(const Module& module) {
  i64 count = 0;
  for (const Module::Entry& p : module.parameters()) count += p.tensor.numel();
  return count;
}

TEST(DenseNet, HasTheSizesOfItsPublishedForms) {
  const NoGrad off;
  std::optional<Rng> none;
  const Tensor image = random_tensor({1, 64, 96, 3}, 5, -2, 2);
  for (const auto& [layers, parameters] : {std::pair(121, 6953856), {161, 26472000}}) {
    DenseNet net(none, layers);
    EXPECT_EQ(numbers(net), parameters);
    for (const Module::Entry& entry : net.entries()) {
      if (entry.tensor.dtype() != DType::f32) continue;
      entry.tensor.copy_from(Tensor::full(entry.tensor.shape(), 0.01F));
    }
    net.eval();
    const std::array<Tensor, 5> maps = net.forward(image);
    const std::array<i64, 5> channels = DenseNet::channels(layers);
    for (i64 k = 0; k < 5; ++k)
      EXPECT_EQ(maps[std::size_t(k)].shape(), (Shape{1, 32 >> k, 48 >> k, channels[std::size_t(k)]})) << k;
  }
  EXPECT_EQ(DenseNet::channels(121), (std::array<i64, 5>{64, 64, 128, 256, 1024}));
  EXPECT_EQ(DenseNet::channels(161), (std::array<i64, 5>{96, 96, 192, 384, 2208}));
  EXPECT_ERROR(DenseNet(none, 169), "121 and 161 layers, not 169");
}

/// A layer's normalisation comes before its convolution, and its ReLU between them.
TEST(DenseNet, ALayerNormalisesFirst) {
  const NoGrad off;
  Rng rng(3, Purpose::init);
  DenseLayer layer(rng, 5, 2);
  layer.eval();
  State state = layer.state();
  state["norm1.bias"] = Tensor::full({5}, -100.F);
  layer.load(state);
  const Tensor x = random_tensor({1, 4, 6, 5}, 1, -2, 2);
  for (const float v : layer.forward(x).to_host()) EXPECT_EQ(v, 0.F) << "no ReLU before the convolutions, or a bias";
  state["norm1.bias"] = Tensor::full({5}, 1.F);
  layer.load(state);
  const Tensor y = layer.forward(x);
  EXPECT_EQ(y.shape(), (Shape{1, 4, 6, 2}));
  float least = 0;
  for (const float v : y.to_host()) least = std::min(least, v);
  EXPECT_LT(least, -1e-3F) << "something stands behind the last convolution";
}

/// A 1x1 convolution and the mean commute: with copied channels a transition shows its means.
TEST(DenseNet, ATransitionTakesMeansOfTwoByTwo) {
  const NoGrad off;
  Rng rng(3, Purpose::init);
  Transition transition(rng, 4);
  transition.eval();
  State state = transition.state();
  const Tensor w = Tensor::zeros({2, 4, 1, 1});
  w.data()[0 * 4 + 3] = 1, w.data()[1 * 4 + 1] = 1;
  state["conv.weight"] = w;
  transition.load(state);
  const Tensor x = random_tensor({2, 6, 8, 4}, 1, -2, 2), y = transition.forward(x);
  ASSERT_EQ(y.shape(), (Shape{2, 3, 4, 2}));
  const test::HostMap from(x), to(y);
  const auto positive = [&](i64 n, i64 i, i64 j, i64 c) { return std::max(0.0, double(from(n, i, j, c))); };
  const double rstd = 1 / std::sqrt(1 + 1e-5);
  for (i64 n = 0; n < 2; ++n)
    for (i64 i = 0; i < 3; ++i)
      for (i64 j = 0; j < 4; ++j)
        for (i64 c = 0; c < 2; ++c) {
          double sum = 0;
          for (const i64 di : {0, 1})
            for (const i64 dj : {0, 1}) sum += positive(n, 2 * i + di, 2 * j + dj, c == 0 ? 3 : 1);
          EXPECT_NEAR(to(n, i, j, c), rstd * sum / 4, 1e-6);
        }
}

class BtsDenseNet : public ::testing::Test {
 protected:
  const std::unique_ptr<DepthNet> net_ = make_net("bts_densenet121", {.max_depth_m = 10.F, .seed = 3});
};

/// Of the encoder's convolutions: kaiming_normal_() as it stands goes by the inputs.
TEST_F(BtsDenseNet, StartsAsTorchvisionDraws) {
  for (const auto& [name, tensor] : net_->state()) {
    if (!name.starts_with("encoder.") || tensor.shape().rank() != 4) continue;
    const double n = double(tensor.numel()), fan_in = n / double(tensor.dim(0));
    double squares = 0;
    for (const double v : test::to_double(tensor)) squares += v * v / n;
    EXPECT_NEAR(std::sqrt(squares * fan_in / 2), 1, 5 / std::sqrt(2 * n)) << name;
  }
}

/// The numbers come from the official code's loop over its names.
TEST_F(BtsDenseNet, FreezesWhatTheOfficialCodeFreezes) {
  const State start = net_->state();
  struct Wanted {
    const char* rule;
    std::size_t names;
    i64 values;
  };
  for (const Wanted& wanted :
       {Wanted{"stem", 243, 93056}, {"first-block", 245, 138112}, {"first-blocks", 247, 187264}}) {
    freeze_encoder(*net_, net_record("bts_densenet121"), wanted.rule);
    i64 values = 0;
    for (const std::string& name : frozen(*net_)) values += start.at(name).numel();
    EXPECT_EQ(frozen(*net_).size(), wanted.names) << wanted.rule;
    EXPECT_EQ(values, wanted.values) << wanted.rule;
  }
  EXPECT_FALSE(frozen(*net_).contains("decoder.bn5.weight"));
}

/// norm5 has no ReLU, the decoder reads it through one.
TEST_F(BtsDenseNet, TheDecoderReadsTheLastNormThroughARelu) {
  const NoGrad off;
  State state = net_->state();
  state["encoder.base_model.norm5.bias"] = Tensor::full({1024}, -1e4F);
  net_->load(state);
  net_->eval();
  float largest = -1e9F;
  const auto look = [&](const std::string& layer, const Tensor& map) {
    if (layer == "encoder.base_model.norm5") {
      for (const float v : map.to_host()) largest = std::max(largest, v);
    } else if (layer == "decoder.upconv5") {
      for (const float v : map.to_host()) EXPECT_EQ(v, 0.F);
    }
  };
  dynamic_cast<const Bts&>(*net_).run(random_tensor({1, 32, 64, 3}, 5, -2, 2), {}, look);
  EXPECT_LT(largest, 0.F);
}

}  // namespace
}  // namespace md
