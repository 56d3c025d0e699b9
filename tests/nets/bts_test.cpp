// BTS: what a reimplementation of the official code gets wrong, one test for each trap; its initialisation, and
// its freezing rules. That the numbers equal PyTorch's is the golden tests' business (networks/bts_*, layers/bts_*,
// layers/lpg_*).
#include "nets/bts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "engine/autograd.h"
#include "engine/safetensors.h"
#include "nets/registry.h"
#include "tests/kit/host_map.h"
#include "tests/nets/bts_fixture.h"

namespace md {
namespace {

using test::BtsTest;
using test::close;
using test::frozen;
using test::HostMap;
using test::random_tensor;
using test::Watched;

// ---- structure

TEST_F(BtsTest, ConvolutionsHaveNoBias) {
  for (const Module::Entry& p : net().parameters()) {
    const bool norm = p.name.find("bn") != std::string::npos || p.name.find("downsample.1") != std::string::npos ||
                      p.name.find("aconv_sequence.2") != std::string::npos;
    const bool bias = p.name.ends_with(".bias");
    EXPECT_TRUE(!bias || norm || p.name == "encoder.base_model.fc.bias") << p.name;
  }
}

// running_var = 0 makes rstd = 1 / sqrt(eps): the output shows eps.
TEST_F(BtsTest, DecoderNormsHaveTheirOwnEpsAndStandBehindTheElu) {
  const std::pair<const char*, const char*> norms[] = {
      {"upconv5", "bn5"}, {"upconv4", "bn4"}, {"conv4", "bn4_2"}, {"upconv3", "bn3"}, {"upconv2", "bn2"}};
  for (const auto& [before, norm] : norms) {
    State state = start();
    set(state, cat("decoder.", norm, ".running_var"), 0.F);
    net().load(state);
    Watched maps = watched(image());
    const Tensor in = maps.at(cat("decoder.", before)), out = maps.at(cat("decoder.", norm));
    EXPECT_TRUE(close(out, scale(in, 1 / std::sqrt(1.1e-5F)), 1e-5)) << norm;  // the usual eps would be off by 5 %
    float least = 0;
    for (const float v : in.to_host()) least = std::min(least, v);
    EXPECT_LT(least, -1e-4F) << before << ": a ReLU in place of the ELU?";
    EXPECT_GE(least, -1.F) << before;  // where the exponential rounds to nothing
  }
}

TEST_F(BtsTest, DecoderNormsHaveMomentum001AndTheEncodersTheDefault) {
  const Tensor x = image(2);
  net().train();
  const Watched maps = watched(x);
  const State after = net().state();
  const auto mean_of = [](const Tensor& map) {
    const Tensor pooled = adaptive_avg_pool(map.reshape({1, map.dim(0) * map.dim(1), map.dim(2), map.dim(3)}), 1, 1);
    return pooled.reshape({map.dim(3)});
  };
  EXPECT_TRUE(close(after.at("decoder.bn5.running_mean"), scale(mean_of(maps.at("decoder.upconv5")), 0.01F), 1e-5));
  EXPECT_TRUE(close(after.at("decoder.bn2.running_mean"), scale(mean_of(maps.at("decoder.upconv2")), 0.01F), 1e-5));
  const Tensor stem =
      conv2d(x, from_torch(start().at("encoder.base_model.conv1.weight"), Layout::conv), {}, {.stride = 2, .pad = 3});
  EXPECT_TRUE(close(after.at("encoder.base_model.bn1.running_mean"), scale(mean_of(stem), 0.1F), 1e-4));
}

// One channel in, identity weights: x -> [rstd] ReLU -> 1x1 -> rstd -> ReLU -> the dilated taps.
TEST_F(BtsTest, AtrousBlocksHaveTwoKindsOfNormAndNoneAtTheEnd) {
  Rng unused(0, Purpose::init);
  AtrousConv block(unused, 1, 1, {.dilation = 6, .norm_first = true});
  block.eval();
  State state = block.state();
  const std::string inner = "atrous_conv.aconv_sequence.";
  copy_channel(state, inner + "1.weight", 0, 0);
  copy_channel(state, inner + "4.weight", 0, 0);
  state[inner + "4.weight"] = scale(state[inner + "4.weight"], -1.F);
  const Tensor x = random_tensor({1, 9, 8, 1}, 1, 0.5F, 1.5F);
  const auto factor_with = [&](const std::string& zero_variance) {
    State changed = state;
    set(changed, zero_variance, 0.F);
    block.load(changed);
    const double factor = double(block.forward(x).to_host()[3]) / double(x.to_host()[3]);
    EXPECT_TRUE(close(block.forward(x), scale(x, float(factor)), 1e-5));
    return factor;
  };
  // Negative: nothing clips the last convolution.
  EXPECT_NEAR(factor_with("atrous_conv.first_bn.running_var"), -1 / std::sqrt(1.1e-5 * (1 + 1e-5)), 1e-2);
  EXPECT_NEAR(factor_with(inner + "2.running_var"), -1 / std::sqrt(1e-5 * (1 + 1.1e-5)), 1e-2);

  // A tap off the centre reads `dilation` pixels away.
  const Tensor corner = Tensor::zeros({1, 2, 3, 3});
  corner.data()[0] = 1.F;
  state[inner + "4.weight"] = corner;
  block.load(state);
  const HostMap from(x), to(block.forward(x));
  EXPECT_NEAR(to(0, 7, 6, 0), from(0, 1, 0, 0), 1e-4);  // two rstd of about 1 - 5e-6
  EXPECT_EQ(to(0, 5, 7, 0), 0);
}

TEST_F(BtsTest, TheFirstAtrousBlockHasNoFirstNorm) {
  EXPECT_FALSE(start().contains("decoder.daspp_3.atrous_conv.first_bn.weight"));
  for (const int d : {6, 12, 18, 24})
    EXPECT_TRUE(start().contains(cat("decoder.daspp_", d, ".atrous_conv.first_bn.weight")));
}

// daspp_6 reads [bn4(upconv4), skip2, daspp_3], the next also what came before; daspp_3 reads bn4_2(conv4(...)).
TEST_F(BtsTest, ThePyramidGrowsFromWhatConv4Reads) {
  Watched maps = watched(image());
  const auto part_of_first_norm = [&](int dilation, i64 in) {
    State state = start();
    const std::string block = cat("decoder.daspp_", dilation, ".atrous_conv.");
    copy_channel(state, block + "aconv_sequence.1.weight", 0, in);
    copy_channel(state, block + "aconv_sequence.4.weight", 0, 0);
    net().load(state);
    return channel(watched(image()).at(cat("decoder.daspp_", dilation)), 0);
  };
  const auto expect_reads = [&](int dilation, i64 in, const Tensor& source) {
    EXPECT_TRUE(close(part_of_first_norm(dilation, in), relu(source), 1e-4)) << dilation << " " << in;  // two rstd
  };
  expect_reads(3, 7, channel(maps.at("decoder.bn4_2"), 7));
  expect_reads(6, 7, channel(maps.at("decoder.bn4"), 7));
  expect_reads(6, 256 + 9, channel(maps.at("encoder.base_model.layer2"), 9));
  expect_reads(6, 768 + 5, channel(maps.at("decoder.daspp_3"), 5));
  expect_reads(24, 768 + 3 * 128 + 5, channel(maps.at("decoder.daspp_18"), 5));
  const char* order[] = {"bn4_2", "daspp_3", "daspp_6", "daspp_12", "daspp_18", "daspp_24"};
  for (i64 k = 0; k < 6; ++k) {
    State state = start();
    copy_channel(state, "decoder.daspp_conv.0.weight", 0, k == 0 ? 3 : 256 + (k - 1) * 128 + 3);
    net().load(state);
    const Watched now = watched(image());
    EXPECT_TRUE(
        close(channel(now.at("decoder.daspp_conv"), 0), elu(channel(now.at(cat("decoder.", order[k])), 3)), 1e-6))
        << order[k];
  }
}

// ---- guidance and its way back in

TEST_F(BtsTest, GuidanceComesBackByItsTopLeftPixels) {
  State state = start();
  copy_channel(state, "decoder.conv3.0.weight", 0, 128 + 256);
  copy_channel(state, "decoder.conv2.0.weight", 0, 64 + 64);
  net().load(state);
  Bts::Maps maps;
  const Watched seen = watched(image(), &maps);
  const HostMap coarse(elu(maps.depth_8x8_scaled)), conv3(seen.at("decoder.conv3"));
  const HostMap finer(elu(maps.depth_4x4_scaled)), conv2(seen.at("decoder.conv2"));
  for (i64 y = 0; y < 16; ++y)
    for (i64 x = 0; x < 24; ++x) EXPECT_FLOAT_EQ(float(conv3(0, y, x, 0)), float(coarse(0, 4 * y, 4 * x, 0)));
  for (i64 y = 0; y < 32; ++y)
    for (i64 x = 0; x < 48; ++x) EXPECT_FLOAT_EQ(float(conv2(0, y, x, 0)), float(finer(0, 2 * y, 2 * x, 0)));
}

TEST_F(BtsTest, SkipsAreTheStemBeforePoolingAndTheStages) {
  State state = start();
  copy_channel(state, "decoder.conv2.0.weight", 0, 64 + 5);
  copy_channel(state, "decoder.conv3.0.weight", 0, 128 + 5);
  copy_channel(state, "decoder.conv5.0.weight", 0, 512 + 5);
  net().load(state);
  const Watched seen = watched(image());
  const Tensor stem = seen.at("encoder.base_model.relu");
  EXPECT_EQ(stem.shape(), (Shape{1, 32, 48, 64}));
  EXPECT_TRUE(close(channel(seen.at("decoder.conv2"), 0), channel(stem, 5), 1e-6));
  EXPECT_TRUE(close(channel(seen.at("decoder.conv3"), 0), channel(seen.at("encoder.base_model.layer1"), 5), 1e-6));
  EXPECT_TRUE(close(channel(seen.at("decoder.conv5"), 0), channel(seen.at("encoder.base_model.layer3"), 5), 1e-6));
  // The official decoder takes a ReLU of layer4, which has nothing to clip.
  for (const float v : seen.at("encoder.base_model.layer4").to_host()) ASSERT_GE(v, 0.F);
}

TEST_F(BtsTest, TheLastConcatIsUpconvReductionAndGuidanceFromFineToCoarse) {
  Bts::Maps maps;
  const Watched first = watched(image(), &maps);
  const Tensor parts[] = {maps.reduc1x1, maps.depth_2x2_scaled, maps.depth_4x4_scaled, maps.depth_8x8_scaled};
  for (i64 k = -1; k < 4; ++k) {
    State state = start();
    copy_channel(state, "decoder.conv1.0.weight", 0, 32 + k);
    net().load(state);
    const Tensor got = channel(watched(image()).at("decoder.conv1"), 0);
    EXPECT_TRUE(close(got, elu(k < 0 ? channel(first.at("decoder.upconv1"), 31) : parts[k]), 1e-6)) << k;
  }
}

// Without a tape it keeps the folded weight, for as long as the weight is the same.
TEST_F(BtsTest, UpConvFollowsItsWeight) {
  Rng rng(1, Purpose::test);
  UpConv block(rng, 3, 2);
  const Tensor x = random_tensor({1, 4, 5, 3}, 1);
  const NoGrad nothing_is_recorded;
  const auto expect_right = [&] {
    const Tensor w = block.parameters()[0].tensor.clone();
    EXPECT_TRUE(close(block.forward(x), elu(upsample_conv2d(x, w)), 1e-6));
  };
  expect_right();
  expect_right();
  block.load({{"conv.weight", random_tensor({2, 3, 3, 3}, 2)}});
  expect_right();
}

TEST_F(BtsTest, ReductionsHalveTheirChannelsFromWhatTheCallerSays) {
  for (const char* name :
       {"reduc8x8.reduc.inter_128_128.0", "reduc8x8.reduc.inter_128_64.0", "reduc8x8.reduc.inter_16_8.0",
        "reduc4x4.reduc.inter_128_64.0", "reduc2x2.reduc.inter_64_32.0", "reduc1x1.reduc.inter_32_16.0"}) {
    EXPECT_TRUE(start().contains(cat("decoder.", name, ".weight"))) << name;
  }
  EXPECT_FALSE(start().contains("decoder.reduc4x4.reduc.inter_128_128.0.weight"));
  EXPECT_EQ(start().at("decoder.reduc8x8.reduc.plane_params.weight").shape(), (Shape{3, 8, 1, 1}));
  EXPECT_EQ(start().at("decoder.reduc1x1.reduc.final.0.weight").shape(), (Shape{1, 8, 1, 1}));
}

// The final reduction reads upconv1, not the concat, and ends in a sigmoid.
TEST_F(BtsTest, TheFinalReductionReadsUpconv1) {
  State state = start();
  copy_channel(state, "decoder.reduc1x1.reduc.inter_32_16.0.weight", 0, 31);
  copy_channel(state, "decoder.reduc1x1.reduc.inter_16_8.0.weight", 0, 0);
  copy_channel(state, "decoder.reduc1x1.reduc.final.0.weight", 0, 0);
  net().load(state);
  Bts::Maps maps;
  const Watched seen = watched(image(), &maps);
  EXPECT_TRUE(close(maps.reduc1x1, sigmoid(elu(elu(channel(seen.at("decoder.upconv1"), 31)))), 1e-6));
}

TEST_F(BtsTest, DepthIsScaledByTheFocalLengthOnKittiAndGuidanceIsNot) {
  const NoGrad off;
  Bts kitti({.max_depth_m = 10.F, .focal_scaling = true}, 50);
  kitti.load(start());
  kitti.eval();
  const Tensor x = image(2), focal_px = Tensor::from_host(std::vector<float>{715.0873F, 2 * 715.0873F}, {2});
  const Bts::Maps with = kitti.run(x, focal_px), without = net().run(x, focal_px);
  EXPECT_TRUE(close(with.depth_m.rows(0, 1), without.depth_m.rows(0, 1), 1e-6));
  EXPECT_TRUE(close(with.depth_m.rows(1, 2), scale(without.depth_m.rows(1, 2), 2.F), 1e-6));
  EXPECT_TRUE(close(with.depth_8x8_scaled, without.depth_8x8_scaled, 0));
  float largest = 0;
  for (const float d : kitti.run(x, scale(focal_px, 10.F)).depth_m.to_host()) largest = std::max(largest, d);
  EXPECT_GT(largest, 10.F) << "scaled after max_depth: it may exceed that";
  EXPECT_ERROR(kitti.run(x, {}), "no");
  EXPECT_ERROR(kitti.run(x, focal_px.rows(0, 1)), "each of 2 images");
}

TEST_F(BtsTest, MetricDepthActsOnTheOutputOfConv1) {
  const NoGrad off;
  Bts::Maps maps;
  const Watched seen = watched(image(), &maps);
  const DepthMaps ends = static_cast<const DepthNet&>(net()).forward(image());
  EXPECT_EQ(ends.features.shape(), (Shape{1, 64, 96, 32}));
  EXPECT_TRUE(close(ends.features, seen.at("decoder.conv1"), 0));
  EXPECT_TRUE(close(ends.depth_m, maps.depth_m, 0));
}

// ---- state and initialisation

TEST_F(BtsTest, AStateComesBackFromAFileBitForBit) {
  const std::string path = cat(testing::TempDir(), "bts_", ::getpid(), ".safetensors");
  write_safetensors(path, start(), {});
  const State back = SafeTensors::read(path).state();
  std::filesystem::remove(path);
  net().load(back);
  const State again = net().state();
  ASSERT_EQ(again.size(), start().size());
  for (const auto& [name, tensor] : start()) {
    ASSERT_EQ(tensor.bytes(), again.at(name).bytes());
    EXPECT_EQ(std::memcmp(tensor.raw(), again.at(name).raw(), tensor.bytes()), 0) << name;
  }
}

/// Of all convolutions the standard deviation that their kind of initialisation gives; kurtosis 1.8 or 3.
TEST_F(BtsTest, EveryLayerStartsWithItsStandardDeviation) {
  for (const auto& [name, tensor] : start()) {
    if (!name.ends_with("weight") || tensor.shape().rank() != 4) continue;
    const double n = double(tensor.numel()), window = double(tensor.dim(2) * tensor.dim(3));
    const double fan_in = double(tensor.dim(1)) * window, fan_out = double(tensor.dim(0)) * window;
    const bool xavier = name.starts_with("decoder.");
    const double sigma = xavier ? std::sqrt(2 / (fan_in + fan_out)) : std::sqrt(2 / fan_out);
    double squares = 0, largest = 0;
    for (const double w : test::to_double(tensor)) {
      squares += w * w / n;
      largest = std::max(largest, std::abs(w));
    }
    // Five standard errors of a deviation: sigma * sqrt((kurtosis - 1) / (4n)).
    const double error = std::sqrt((xavier ? 0.8 : 2.) / (4 * n));
    EXPECT_NEAR(std::sqrt(squares) / sigma, 1, 5 * error) << name;
    if (xavier) {
      EXPECT_LE(largest, sigma * std::sqrt(3.)) << name;  // uniform
    } else if (n > 10000) {
      EXPECT_GT(largest, sigma * 3) << name;  // normal
    }
  }
  EXPECT_EQ(start().at("decoder.bn5.weight").to_host(), std::vector<float>(512, 1.F));
}

TEST_F(BtsTest, ResNet101HasItsBlocks) {
  const Bts deep({.max_depth_m = 10.F}, 101);
  const State state = deep.state();
  EXPECT_TRUE(state.contains("encoder.base_model.layer3.22.bn3.weight"));
  EXPECT_FALSE(state.contains("encoder.base_model.layer3.23.bn3.weight"));
  i64 more = 0;  // 17 more blocks of 1024 -> 256 -> 256 -> 1024
  for (const Module::Entry& p : deep.parameters()) more += p.tensor.numel();
  EXPECT_EQ(more - 49530968, 17 * (2 * 1024 * 256 + 9 * 256 * 256 + 2 * (256 + 256 + 1024)));
}

// ---- freezing

TEST_F(BtsTest, FreezesTheStemAndTheNormsButNotThoseOfShortcuts) {
  freeze_encoder(net(), net_record("bts"), "none");
  EXPECT_TRUE(frozen(net()).empty());
  freeze_encoder(net(), net_record("bts"), "stem");
  const std::set<std::string> names = frozen(net());
  i64 values = 0;
  for (const std::string& name : names) values += start().at(name).numel();
  EXPECT_EQ(names.size(), 99U);
  EXPECT_EQ(values, 54848);
  const std::string resnet = "encoder.base_model.";
  EXPECT_TRUE(names.contains(resnet + "conv1.weight"));
  EXPECT_TRUE(names.contains(resnet + "layer4.2.bn3.bias"));
  for (const char* free : {"layer1.0.conv1.weight", "layer1.0.downsample.0.weight", "layer2.0.downsample.1.weight"}) {
    EXPECT_FALSE(names.contains(resnet + free)) << free;
  }
  EXPECT_FALSE(names.contains("decoder.bn5.weight"));
}

TEST_F(BtsTest, FreezesTheFirstBlocksOnRequest) {
  freeze_encoder(net(), net_record("bts"), "first-block");
  EXPECT_TRUE(frozen(net()).contains("encoder.base_model.layer1.0.downsample.1.bias"));
  EXPECT_FALSE(frozen(net()).contains("encoder.base_model.layer1.1.conv1.weight"));
  freeze_encoder(net(), net_record("bts"), "first-blocks");
  EXPECT_TRUE(frozen(net()).contains("encoder.base_model.layer1.1.conv3.weight"));
  EXPECT_FALSE(frozen(net()).contains("encoder.base_model.layer1.2.conv1.weight"));
  EXPECT_ERROR(freeze_encoder(*make_net("lt", {}), net_record("lt"), "stem"), "network 'lt' has no rule 'stem'");
}

}  // namespace
}  // namespace md
