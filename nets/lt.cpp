// LT: MobileNetV3, and a decoder that upsamples four times beside the encoder's maps.
#include "nets/lt.h"

#include <utility>

#include "nets/registry.h"

namespace md {
namespace {

ConvOptions leaky(int pad) { return {.pad = pad, .act = {Act::leaky_relu, 0.2F}}; }

}  // namespace

UpBlock::UpBlock(WeightRng rng, i64 in, i64 skip, i64 out)
    : conv1_(child<Conv2d>("conv1", rng, in + skip, out, 3, leaky(1))),
      conv2_(child<Conv2d>("conv2", rng, out, out, 3, leaky(1))) {}

Tensor UpBlock::forward(Tensor x, Tensor skip) const {
  x = upsample_concat(std::exchange(x, {}), std::exchange(skip, {}));  // without a tape each map is freed here
  x = conv1_.forward(x);
  return conv2_.forward(x);
}

Lt::Lt(const NetOptions& options) : Lt(options, init_rng(options)) {}

Lt::Lt(const NetOptions& options, std::optional<Rng> rng)
    : DepthNet(options),
      encoder_(child<MobileNetV3Large>("encoder", rng)),
      bottleneck_(child<Conv2d>("bottleneck", rng, 960, 256, 1, leaky(0))),
      up1_(child<UpBlock>("up1", rng, 256, 112, 128)),
      up2_(child<UpBlock>("up2", rng, 128, 40, 64)),
      up3_(child<UpBlock>("up3", rng, 64, 24, 48)),
      up4_(child<UpBlock>("up4", rng, 48, 16, 32)),
      predict_(child<Conv2d>("predict", rng, 32, 1, 3, ConvOptions{.pad = 1, .act = {Act::sigmoid}})) {}

DepthMaps Lt::forward_aligned(const Tensor& image, const Tensor& /*focal_px*/,
                              const ForwardContext& /*context*/) const {
  std::array<Tensor, 5> maps = encoder_.forward(image);
  Tensor f = bottleneck_.forward(std::exchange(maps[4], {}));
  f = up1_.forward(std::move(f), std::move(maps[3]));
  f = up2_.forward(std::move(f), std::move(maps[2]));
  f = up3_.forward(std::move(f), std::move(maps[1]));
  f = up4_.forward(std::move(f), std::move(maps[0]));
  const Tensor half = scale(predict_.forward(f), options().max_depth_m);
  return {upsample_bilinear(half, image.dim(1), image.dim(2)), f};
}

std::vector<NetRecord> lt_networks() {
  return {{.name = "lt", .make = [](const NetOptions& o) { return std::make_unique<Lt>(o); }}};
}

}  // namespace md
