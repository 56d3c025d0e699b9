// DenseNet-121 and -161 (Huang et al. 2017), without the classifier: names and shapes of parameters as in
// torchvision.models.densenet121, densenet161 below "features.".
#pragma once
#include <vector>

#include "nets/skip_encoder.h"

namespace md {

/// torchvision's _DenseLayer: batch norm, ReLU, 1x1 to 4 * growth, batch norm, ReLU, 3x3 to `growth` channels.
class DenseLayer : public Module {
 public:
  DenseLayer(WeightRng rng, i64 in, i64 growth);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,h,w,growth], the channels that it adds

 private:
  BatchNorm2d& norm1_;
  ConvNorm narrow_;
  Conv2d& conv2_;
};

/// torchvision's _Transition: batch norm, ReLU, 1x1 to half the channels, the mean of each 2x2 pixels.
class Transition : public Module {
 public:
  Transition(WeightRng rng, i64 in);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,h/2,w/2,in/2]

 private:
  BatchNorm2d& norm_;
  Conv2d& conv_;
};

/// The encoder; the last map is that of "norm5", before any ReLU.
class DenseNet : public SkipEncoder {
 public:
  /// Which one: 121 or 161. Throws ErrorKind::usage for another number of layers.
  DenseNet(WeightRng rng, int layers);
  /// Channels of the five maps; throws likewise.
  static std::array<i64, 5> channels(int layers);

  std::array<Tensor, 5> forward(const Tensor& image) const override;
  std::array<const char*, 5> layer_names() const override {
    return {"relu0", "pool0", "transition1", "transition2", "norm5"};
  }
  bool ends_in_relu() const override { return false; }

 private:
  ConvNorm stem_;
  std::array<std::vector<DenseLayer*>, 4> blocks_;
  std::array<Transition*, 3> transitions_;
  BatchNorm2d* norm5_;
};

}  // namespace md
