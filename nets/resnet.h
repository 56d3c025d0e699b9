// ResNet-50 and -101 (He et al. 2016; with the stride in the 3x3 convolution, as torchvision has it). Parameter names
// and shapes as in torchvision.models.resnet50, resnet101.
#pragma once
#include <optional>
#include <vector>

#include "nets/skip_encoder.h"

namespace md {

/// torchvision's Bottleneck: 1x1 to `width`, 3x3 with the stride, 1x1 to 4 * width, plus the input (through a 1x1
/// "downsample" where its size or width differs), and ReLU.
class Bottleneck : public Module {
 public:
  Bottleneck(WeightRng rng, i64 in, i64 width, int stride);
  /// [N,h,w,in] -> [N,h/stride,w/stride,4 width], rounded up. The sum is made in x's memory if the caller gives it up.
  Tensor forward(Tensor x) const;

 private:
  ConvNorm narrow_, middle_, wide_;
  std::optional<ConvNorm> downsample_;
};

/// Which ResNet, and with how much of it.
struct ResNetOptions {
  int layers = 50;          // or 101
  bool classifier = false;  // own the "fc" of the published weights, which is never used here
};

/// The encoder. Throws ErrorKind::usage for another number of layers than 50 or 101.
class ResNet : public SkipEncoder {
 public:
  /// Channels of the five maps.
  static constexpr std::array<i64, 5> kChannels = {64, 256, 512, 1024, 2048};

  ResNet(WeightRng rng, ResNetOptions options = {});
  /// image [N,H,W,3] -> the stem after its ReLU (H/2) and the outputs of `layer1` (H/4) to `layer4` (H/32).
  std::array<Tensor, 5> forward(const Tensor& image) const override;
  std::array<const char*, 5> layer_names() const override { return {"relu", "layer1", "layer2", "layer3", "layer4"}; }
  bool ends_in_relu() const override { return true; }

 private:
  ConvNorm stem_;
  std::array<std::vector<Bottleneck*>, 4> stages_;
};

}  // namespace md
