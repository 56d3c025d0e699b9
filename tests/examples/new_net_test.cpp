// A worked example: a new network. It would be nets/tiny.cpp, and a line in nets/registry.cpp in place of
// register_net(); then every program knows it.
#include <filesystem>

#include "layers/modules.h"
#include "layers/ops.h"
#include "nets/registry.h"
#include "tests/kit/test_folder.h"
#include "tests/kit/testing.h"
#include "tools/run/checkpoint.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

const Activation kLeaky{Act::leaky_relu, 0.2F};

/// One convolution down to a quarter of the size, one on the way up again.
class Tiny final : public DepthNet {
 public:
  explicit Tiny(const NetOptions& o) : Tiny(o, init_rng(o)) {}

 private:
  Tiny(const NetOptions& o, std::optional<Rng> rng)
      : DepthNet(o),
        down_(child<Conv2d>("encoder", rng, 3, 16, 5, ConvOptions{.stride = 4, .pad = 2, .act = kLeaky})),
        up_(child<Conv2d>("decoder", rng, 16, 8, 3, ConvOptions{.pad = 1, .act = kLeaky})),
        predict_(child<Conv2d>("predict", rng, 8, 1, 3, ConvOptions{.pad = 1})) {}
  DepthMaps forward_aligned(const Tensor& image, const Tensor& /*focal_px*/, const ForwardContext&) const override {
    const Tensor features = up_.forward(down_.forward(image));
    const Tensor depth_m = scale(sigmoid(predict_.forward(features)), options().max_depth_m);
    return {upsample_bilinear(depth_m, image.dim(1), image.dim(2)), features};
  }
  Conv2d &down_, &up_, &predict_;
};

/// Its record: the encoder's parameters begin with "encoder.", and "stem" is what --freeze may name.
const NetRecord kRecord = {.name = "tiny",
                           .make = [](const NetOptions& o) { return std::make_unique<Tiny>(o); },
                           .freeze_rules = {{"stem", "the first convolution", {"encoder.weight"}}}};

class NewNet : public test::TestFolder {
 protected:
  NewNet() { register_net(kRecord); }
  static Batch batch() {
    Batch made;
    made.image = test::random_tensor({2, 32, 64, 3}, 1);
    made.depth_m = test::random_tensor({2, 32, 64}, 2, 1, 9);
    return made;
  }
};

TEST_F(NewNet, TrainsAndComesBackFromACheckpoint) {
  TrainOptions options;
  options.net = "tiny";
  options.metric_depth = true;
  options.lr = 1e-2;
  const auto net = make_net("tiny", {.seed = 1});
  TrainStep step(options, *net, 20);
  double first = 0, last = 0;
  for (int k = 0; k < 20; ++k) {
    step.begin(batch(), k);
    last = step.finish().total;
    if (k == 0) first = last;
  }
  EXPECT_LT(last, first);

  save_checkpoint(path("tiny.safetensors"), *net, step.optimizer(),
                  {.config = {{"net", "tiny"}, {"max-depth", 10}}, .step = 20});
  const LoadedNet loaded = load_net(path("tiny.safetensors"));
  const NoGrad off;
  net->eval();
  EXPECT_EQ(loaded.state.step, 20);
  EXPECT_EQ(loaded.net->forward(batch().image).depth_m.to_host(), net->forward(batch().image).depth_m.to_host());
}

TEST_F(NewNet, IsKnownByName) {
  const auto net = make_net("tiny", {});
  freeze_encoder(*net, net_record("tiny"), "stem");
  for (const Module::Entry& p : net->parameters())
    EXPECT_EQ(p.tensor.requires_grad(), p.name != "encoder.weight") << p.name;
  EXPECT_EQ(net->forward(test::random_tensor({1, 50, 70, 3}, 1)).depth_m.shape(), Shape({1, 50, 70, 1}));
}

}  // namespace
}  // namespace md
