// Training BTS as its official recipe does: what is frozen, what decays, and weights that stay finite where local
// planar guidance has no bounds.
#include <algorithm>
#include <cmath>

#include "layers/ops.h"
#include "tests/nets/bts_fixture.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

using test::BtsTest;
using test::close;
using test::frozen;
using test::random_tensor;

StepLosses run(TrainStep& step, const Batch& batch, i64 k) {
  step.begin(batch, k);
  return step.finish();
}

TrainOptions training_options() {
  TrainOptions o;
  o.net = "bts";
  o.adam = {.eps = 1e-3};
  o.weight_decay = 0.01F;
  o.decay_on = DecayOn::encoder;
  o.freeze = "stem";
  o.silog.min_depth_m = 0.1F;
  return o;
}

Batch batch_of_two() {
  Batch batch;
  batch.image = random_tensor({2, 64, 96, 3}, 5, -2, 2);
  batch.depth_m = random_tensor({2, 64, 96}, 6, 0.5F, 9);
  return batch;
}

TEST_F(BtsTest, FrozenPartsStayButTheirStatisticsMove) {
  const TrainOptions options = training_options();
  TrainStep step(options, net(), 10);
  const StepLosses losses = run(step, batch_of_two(), 0);
  ASSERT_FALSE(losses.skipped());
  const State after = net().state();
  const auto moved = [&](const std::string& name) { return !close(after.at(name), start().at(name), 0); };
  const std::string resnet = "encoder.base_model.";
  for (const std::string& name : frozen(net())) EXPECT_FALSE(moved(name)) << name;
  EXPECT_FALSE(moved(resnet + "fc.weight"));  // no gradient, so no decay either
  for (const char* name : {"bn1.running_mean", "layer3.4.bn2.running_var", "layer1.0.conv1.weight"}) {
    EXPECT_TRUE(moved(resnet + name)) << name;
  }
  EXPECT_TRUE(moved("decoder.get_depth.0.weight"));
}

TEST_F(BtsTest, DecayIsForTheEncoderAlone) {
  // With next to no step left for Adam (eps), only decay moves a weight: by 1 - lr * decay.
  TrainOptions options = training_options();
  options.adam.eps = 1e20;
  options.lr = 1;
  TrainStep step(options, net(), 10);
  ASSERT_FALSE(run(step, batch_of_two(), 0).skipped());
  const State after = net().state();
  const auto factor = [&](const std::string& name) {
    return after.at(name).to_host()[5] / start().at(name).to_host()[5];
  };
  EXPECT_FLOAT_EQ(factor("encoder.base_model.layer1.0.conv1.weight"), 0.99F);
  EXPECT_FLOAT_EQ(factor("decoder.conv3.0.weight"), 1.F);
}

TEST_F(BtsTest, StatisticsCanBeFrozenToo) {
  TrainOptions options = training_options();
  options.freeze = "none";
  options.freeze_statistics = true;
  TrainStep step(options, net(), 10);
  for (int k = 0; k < 2; ++k) {
    ASSERT_FALSE(run(step, batch_of_two(), k).skipped());
    net().train();  // as an evaluation in between leaves it
  }
  const State after = net().state();
  for (const Module::Entry& b : net().buffers()) {
    if (b.tensor.dtype() != DType::f32) continue;  // num_batches_tracked
    EXPECT_TRUE(close(after.at(b.name), start().at(b.name), 0)) << b.name;
  }
  EXPECT_FALSE(close(after.at("encoder.base_model.bn1.weight"), start().at("encoder.base_model.bn1.weight"), 0));
}

// For r = 8 the guidance denominator passes 0 and reaches -0.036. Planes that lean as far as they can, along the
// diagonal: theta -> pi/3, phi = 2 pi 5/8. Depth is then negative in one corner of each cell and huge beside it. The
// loss stays finite or the step is skipped, and no weight becomes NaN.
TEST_F(BtsTest, UnboundedGuidanceNeverSpoilsAWeight) {
  State state = start();
  const std::string plane = "decoder.reduc8x8.reduc.plane_params.weight";
  // An ELU that never leaves -1 gives the plane parameters constants: inter_16_8 maps everything to channels below -20.
  const Tensor w = Tensor::zeros(state.at(plane).shape());  // [3,8,1,1]
  for (i64 c = 0; c < 8; ++c) {
    w.data()[c] = -50.F / 8;                   // theta: sigmoid(50)
    w.data()[8 + c] = -std::log(5 / 3.F) / 8;  // phi: sigmoid = 5/8
  }
  state[plane] = w;
  const std::string before = "decoder.reduc8x8.reduc.inter_16_8.0.weight";
  state[before] = scale(Tensor::full(state.at(before).shape(), 1.F), -1e4F);
  set(state, "decoder.reduc8x8.reduc.inter_32_16.0.weight", 1.F);
  set(state, "decoder.reduc8x8.reduc.inter_64_32.0.weight", 1.F);
  set(state, "decoder.reduc8x8.reduc.inter_128_64.0.weight", 1.F);
  set(state, "decoder.reduc8x8.reduc.inter_128_128.0.weight", 1.F);
  set(state, "decoder.daspp_conv.0.weight", 1.F);
  net().load(state);
  Bts::Maps maps;
  watched(image(), &maps);
  float least = 0, largest = 0;
  for (const float d : maps.depth_8x8_scaled.to_host()) least = std::min(least, d), largest = std::max(largest, d);
  ASSERT_LT(least, -1.F) << "the net is not where this test wants it";
  ASSERT_GT(largest, 1.F);

  const TrainOptions options = training_options();
  TrainStep step(options, net(), 10);
  for (int k = 0; k < 3; ++k) {
    const StepLosses losses = run(step, batch_of_two(), k);
    EXPECT_TRUE(losses.skipped() || std::isfinite(losses.total));
  }
  for (const auto& [name, tensor] : net().state()) {
    if (tensor.dtype() != DType::f32) continue;
    for (const float v : tensor.to_host()) ASSERT_TRUE(std::isfinite(v)) << name;
  }
}

}  // namespace
}  // namespace md
