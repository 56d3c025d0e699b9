// ResNet's bottlenecks and stages, and the maps that a decoder reads on the way.
#include "nets/resnet.h"

namespace md {
namespace {

constexpr i64 kExpansion = 4;
constexpr std::array<i64, 4> kWidths = {64, 128, 256, 512};

/// Convolutions are drawn as torchvision draws them.
ConvOptions conv(int stride, int pad) {
  return {.stride = stride, .pad = pad, .bias = false, .init = Init::kaiming_normal};
}

BatchNormOptions with_relu() { return {.act = {Act::relu}}; }

std::array<int, 4> blocks_of(int layers) {
  if (layers == 50) return {3, 4, 6, 3};
  if (layers == 101) return {3, 4, 23, 3};
  fail(ErrorKind::usage, "resnet: there are 50 and 101 layers, not ", layers);
}

/// torch.nn.Linear(2048, 1000): names and shapes alone.
class Classifier : public Module {
 public:
  explicit Classifier(WeightRng rng) {
    const Conv2d as_convolution(rng, ResNet::kChannels.back(), 1000, 1);
    const std::vector<Entry> drawn = as_convolution.parameters();
    param("weight", drawn[0].tensor.detach().reshape({1000, ResNet::kChannels.back()}));
    param("bias", drawn[1].tensor.detach());
  }
};

}  // namespace

Bottleneck::Bottleneck(WeightRng rng, i64 in, i64 width, int stride)
    : narrow_{child<Conv2d>("conv1", rng, in, width, 1, conv(1, 0)), child<BatchNorm2d>("bn1", width, with_relu())},
      middle_{child<Conv2d>("conv2", rng, width, width, 3, conv(stride, 1)),
              child<BatchNorm2d>("bn2", width, with_relu())},
      wide_{child<Conv2d>("conv3", rng, width, kExpansion * width, 1, conv(1, 0)),
            child<BatchNorm2d>("bn3", kExpansion * width, with_relu())} {
  if (stride == 1 && in == kExpansion * width) return;
  downsample_.emplace(ConvNorm{child<Conv2d>("downsample.0", rng, in, kExpansion * width, 1, conv(stride, 0)),
                               child<BatchNorm2d>("downsample.1", kExpansion * width)});
}

Tensor Bottleneck::forward(Tensor x) const {
  const Tensor narrow = middle_.forward(narrow_.forward(x));
  return wide_.forward(narrow, downsample_ ? downsample_->forward(x) : std::move(x));
}

ResNet::ResNet(WeightRng rng, ResNetOptions options)
    : stem_{child<Conv2d>("conv1", rng, 3, kChannels[0], 7, conv(2, 3)),
            child<BatchNorm2d>("bn1", kChannels[0], with_relu())} {
  const std::array<int, 4> blocks = blocks_of(options.layers);
  i64 in = kChannels[0];
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    for (int block = 0; block < blocks[stage]; ++block) {
      const int stride = stage > 0 && block == 0 ? 2 : 1;  // the first stage follows the max pooling
      stages_[stage].push_back(
          &child<Bottleneck>(cat("layer", stage + 1, ".", block), rng, in, kWidths[stage], stride));
      in = kExpansion * kWidths[stage];
    }
  }
  if (options.classifier) child<Classifier>("fc", rng);
}

std::array<Tensor, 5> ResNet::forward(const Tensor& image) const {
  std::array<Tensor, 5> maps;
  maps[0] = stem_.forward(image);
  Tensor x = max_pool(maps[0], {.kernel = 3, .stride = 2, .pad = 1});
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    for (const Bottleneck* block : stages_[stage]) x = block->forward(std::move(x));
    maps[stage + 1] = x;
  }
  return maps;
}

}  // namespace md
