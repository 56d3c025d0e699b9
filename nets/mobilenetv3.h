// MobileNetV3-Large (Howard et al. 2019) without its classifier. Parameter names and shapes as in
// torchvision.models.mobilenet_v3_large (`features.*`); batch norm with eps 1e-3 and momentum 0.01.
#pragma once
#include <array>
#include <functional>
#include <vector>

#include "layers/modules.h"

namespace md {

/// torchvision's InvertedResidual: [1x1 expand] -> depthwise -> [squeeze-excite] -> 1x1 project, plus the input where
/// stride and width allow it.
class InvertedResidual : public Module {
 public:
  /// A row of the paper's Table 1.
  struct Row {
    int kernel;
    i64 expanded, out;
    bool squeeze_excite;
    Act act;
    int stride;
  };
  InvertedResidual(WeightRng rng, i64 in, const Row& row);
  /// [N,h,w,in] -> [N,h/stride,w/stride,out], rounded up. The sum is made in x's memory if the caller gives it up.
  Tensor forward(Tensor x) const;

 private:
  ConvNormAct* expand_ = nullptr;  // absent where it would keep the width
  ConvNormAct* depthwise_ = nullptr;
  SqueezeExcite* squeeze_excite_ = nullptr;
  ConvNormAct* project_ = nullptr;
  bool residual_;
};

/// The encoder.
class MobileNetV3Large : public Module {
 public:
  /// The last of the 17 maps at each stride 2, 4, 8, 16, 32, and its channels.
  static constexpr std::array<std::size_t, 5> kTaps = {1, 3, 6, 12, 16};
  static constexpr std::array<i64, 5> kTapChannels = {16, 24, 40, 112, 960};

  explicit MobileNetV3Large(WeightRng rng);
  /// Shown the outputs of `features.0` to `features.16`, each with its number.
  using Watch = std::function<void(std::size_t feature, const Tensor& map)>;
  /// image [N,H,W,3] -> the maps at kTaps.
  std::array<Tensor, 5> forward(const Tensor& image, const Watch& watch = {}) const;

 private:
  ConvNormAct* stem_;
  std::vector<InvertedResidual*> blocks_;
  ConvNormAct* head_;
};

}  // namespace md
