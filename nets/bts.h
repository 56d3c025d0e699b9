// BTS (Lee et al. 2019, "From Big to Small"), as the official PyTorch code has it: a ResNet or DenseNet encoder, a
// decoder of nearest upsampling with dense atrous pyramid pooling at H/8, and local planar guidance at H/8, H/4 and
// H/2, whose depth maps the next levels see. ResNet-50: 49,530,968 parameters. MetricDepth acts on the 32-channel
// output of `conv1`, at full size. A guidance map has no bounds (layers/local_planar_guidance.cpp); the final depth is
// in (0, max_depth_m), times focal / 715.0873 with focal_scaling.
#pragma once
#include <functional>

#include "nets/depth_net.h"
#include "nets/skip_encoder.h"

namespace md {

/// [batch norm] ReLU, 1x1 to twice `out`, batch norm, ReLU, 3x3 with the dilation: "atrous_conv.first_bn" and
/// "atrous_conv.aconv_sequence.1", ".2", ".4".
class AtrousConv : public Module {
 public:
  /// Of one branch of the pyramid.
  struct Options {
    int dilation = 3;
    bool norm_first = true;
  };
  AtrousConv(WeightRng rng, i64 in, i64 out, Options options);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,h,w,out]

 private:
  BatchNorm2d* first_norm_ = nullptr;
  ConvNorm narrow_;
  Conv2d& dilated_;
};

/// 3x3 or 1x1 convolution "0" without bias, and ELU.
class ConvElu : public Module {
 public:
  ConvElu(WeightRng rng, i64 in, i64 out, int kernel);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,h,w,out]

 private:
  Conv2d& conv_;
};

/// Nearest upsampling by two, 3x3 convolution "conv", ELU.
class UpConv : public Module {
 public:
  UpConv(WeightRng rng, i64 in, i64 out);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,2h,2w,out]

 private:
  Conv2d& conv_;
  // Where nothing is recorded the weight is folded once for each of its versions.
  mutable Tensor folded_;
  mutable std::uint64_t folded_version_ = 0;
};

/// 1x1 convolutions with ELU from `in` to `out` channels and on by halves to 8, and a last one, named by what it is
/// for: "reduc.inter_16_8.0", "reduc.plane_params" (3 channels, without an activation) or "reduc.final.0" (1, sigmoid).
class Reduction : public Module {
 public:
  /// What its last convolution gives.
  enum class Kind : std::uint8_t { plane, final };
  Reduction(WeightRng rng, i64 in, i64 out, Kind kind);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,h,w,3 or 1]

 private:
  std::vector<ConvElu*> halvings_;
  Conv2d* last_;
};

/// Plane parameters [N,h,w,3] -> planes [N,h,w,4] (unit normal, distance in metres) -> depth / max_depth_m over r x r
/// pixels each, [N,h*r,w*r,1].
struct Guidance {
  Tensor planes, depth_m, scaled;
};
Guidance guide(const Tensor& plane_params, int r, float max_depth_m);

/// The network; its parts have the official code's names.
class Bts final : public DepthNet {
 public:
  /// The five maps that the official code returns. The first three are guidance, divided by max_depth_m.
  struct Maps {
    Tensor depth_8x8_scaled, depth_4x4_scaled, depth_2x2_scaled, reduc1x1, depth_m;
    Tensor features;  // the output of `conv1`
  };
  /// Shown the output of every layer under its name.
  using Watch = std::function<void(const std::string& layer, const Tensor& output)>;

  /// With the encoder of that many layers: 50 and 101 are ResNets, 121 and 161 DenseNets. Throws ErrorKind::usage for
  /// another number.
  Bts(const NetOptions& options, int encoder_layers);
  /// forward() without padding: H and W are multiples of 32. Throws ErrorKind::bad_data where depth is scaled by the
  /// focal length and there is not one for each image, focal_px [N].
  Maps run(const Tensor& image, const Tensor& focal_px, const Watch& watch = {}) const;

 private:
  Bts(const NetOptions& options, int encoder_layers, std::optional<Rng> rng);
  SkipEncoder& add_encoder(WeightRng rng, int layers);
  DepthMaps forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext&) const override;
  /// The 128 channels at H/8 from the maps at H/8, H/16 and H/32.
  Tensor pyramid(const std::array<Tensor, 5>& skips, const Watch& watch) const;

  SkipEncoder& encoder_;
  std::array<i64, 5> skip_;  // channels of its maps
  UpConv& upconv5_;
  BatchNorm2d& bn5_;
  ConvElu& conv5_;
  UpConv& upconv4_;
  BatchNorm2d& bn4_;
  ConvElu& conv4_;
  BatchNorm2d& bn4_2_;
  AtrousConv &daspp_3_, &daspp_6_, &daspp_12_, &daspp_18_, &daspp_24_;
  ConvElu& daspp_conv_;
  Reduction& reduc8x8_;
  UpConv& upconv3_;
  BatchNorm2d& bn3_;
  ConvElu& conv3_;
  Reduction& reduc4x4_;
  UpConv& upconv2_;
  BatchNorm2d& bn2_;
  ConvElu& conv2_;
  Reduction& reduc2x2_;
  UpConv& upconv1_;
  Reduction& reduc1x1_;
  ConvElu& conv1_;
  Conv2d& get_depth_;
};

}  // namespace md
