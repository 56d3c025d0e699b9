// DenseNet: every layer reads all maps before it in its block, side by side.
#include "nets/densenet.h"

namespace md {
namespace {

constexpr i64 kBottleneck = 4;  // a layer's 1x1 convolution gives this many times what the layer adds

/// Convolutions are drawn as torchvision draws them.
ConvOptions conv(int stride, int pad) {
  return {.stride = stride, .pad = pad, .bias = false, .init = Init::kaiming_normal_in};
}

BatchNormOptions with_relu() { return {.act = {Act::relu}}; }

struct Widths {
  i64 stem, growth;
  std::array<int, 4> layers;  // of each block
};

Widths widths_of(int layers) {
  if (layers == 121) return {64, 32, {6, 12, 24, 16}};
  if (layers == 161) return {96, 48, {6, 12, 36, 24}};
  fail(ErrorKind::usage, "densenet: there are 121 and 161 layers, not ", layers);
}

}  // namespace

DenseLayer::DenseLayer(WeightRng rng, i64 in, i64 growth)
    : norm1_(child<BatchNorm2d>("norm1", in, with_relu())),
      narrow_{child<Conv2d>("conv1", rng, in, kBottleneck * growth, 1, conv(1, 0)),
              child<BatchNorm2d>("norm2", kBottleneck * growth, with_relu())},
      conv2_(child<Conv2d>("conv2", rng, kBottleneck * growth, growth, 3, conv(1, 1))) {}

Tensor DenseLayer::forward(const Tensor& x) const { return conv2_.forward(narrow_.forward(norm1_.forward(x))); }

Transition::Transition(WeightRng rng, i64 in)
    : norm_(child<BatchNorm2d>("norm", in, with_relu())),
      conv_(child<Conv2d>("conv", rng, in, in / 2, 1, conv(1, 0))) {}

Tensor Transition::forward(const Tensor& x) const { return avg_pool(conv_.forward(norm_.forward(x)), 2); }

DenseNet::DenseNet(WeightRng rng, int layers)
    : stem_{child<Conv2d>("conv0", rng, 3, widths_of(layers).stem, 7, conv(2, 3)),
            child<BatchNorm2d>("norm0", widths_of(layers).stem, with_relu())} {
  const Widths widths = widths_of(layers);
  i64 width = widths.stem;
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    for (int layer = 0; layer < widths.layers[block]; ++layer, width += widths.growth) {
      const std::string name = cat("denseblock", block + 1, ".denselayer", layer + 1);
      blocks_[block].push_back(&child<DenseLayer>(name, rng, width, widths.growth));
    }
    if (block == transitions_.size()) break;
    transitions_[block] = &child<Transition>(cat("transition", block + 1), rng, width);
    width /= 2;
  }
  norm5_ = &child<BatchNorm2d>("norm5", width);
}

std::array<i64, 5> DenseNet::channels(int layers) {
  const Widths widths = widths_of(layers);
  std::array<i64, 4> after{};  // the channels that leave a block, or its transition
  i64 width = widths.stem;
  for (std::size_t block = 0; block < after.size(); ++block) {
    width += widths.layers[block] * widths.growth;
    if (block + 1 < after.size()) width /= 2;
    after[block] = width;
  }
  return {widths.stem, widths.stem, after[0], after[1], after[3]};
}

std::array<Tensor, 5> DenseNet::forward(const Tensor& image) const {
  std::array<Tensor, 5> maps;
  maps[0] = stem_.forward(image);
  maps[1] = max_pool(maps[0], {.kernel = 3, .stride = 2, .pad = 1});
  Tensor x = maps[1];
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    for (const DenseLayer* layer : blocks_[block]) x = concat({x, layer->forward(x)});
    if (block < transitions_.size()) x = transitions_[block]->forward(x);
    if (block < 2) maps[2 + block] = x;
  }
  maps[4] = norm5_->forward(x);
  return maps;
}

}  // namespace md
