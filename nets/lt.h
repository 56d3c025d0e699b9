// LT, the light network of the MetricDepth paper: MobileNetV3-Large and a decoder of bilinear upsampling, skip
// connections, 3x3 convolutions and LeakyReLU(0.2). The paper names the ingredients; the widths are this project's.
// 4,010,225 parameters. MetricDepth acts on the 32-channel map at half size before `predict`.
#pragma once
#include "nets/depth_net.h"
#include "nets/mobilenetv3.h"

namespace md {

/// Bilinear (half-pixel) to the size of the skip, concat [up, skip], two 3x3 convolutions "conv1", "conv2" with
/// LeakyReLU.
class UpBlock : public Module {
 public:
  UpBlock(WeightRng rng, i64 in, i64 skip, i64 out);
  /// x [N,h,w,in], skip [N,H,W,skip] -> [N,H,W,out].
  Tensor forward(Tensor x, Tensor skip) const;

 private:
  Conv2d &conv1_, &conv2_;
};

/// The network; takes no focal length.
class Lt final : public DepthNet {
 public:
  explicit Lt(const NetOptions& options);

 private:
  Lt(const NetOptions& options, std::optional<Rng> rng);
  DepthMaps forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext&) const override;

  MobileNetV3Large& encoder_;
  Conv2d& bottleneck_;
  UpBlock &up1_, &up2_, &up3_, &up4_;
  Conv2d& predict_;
};

}  // namespace md
