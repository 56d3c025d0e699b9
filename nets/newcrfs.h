// NeWCRFs (Yuan et al. 2022, "Neural Window Fully-connected CRFs for Monocular Depth Estimation"), as its official code
// builds and initialises it: Swin, a pyramid pooling head, four levels of window CRFs from coarse to fine, a head.
#pragma once
#include <array>
#include <optional>

#include "nets/depth_net.h"
#include "nets/swin.h"

namespace md {

/// The pyramid pooling head "decoder": the map beside its means over 1x1, 2x2, 3x3 and 6x6 cells, each behind a 1x1
/// convolution, group norm of pairs of channels and ReLU, and all joined by a 3x3 convolution, batch norm and ReLU.
/// (The official code meant batch norm for all but the first; its variable stays at group norm.)
class PyramidPooling : public Module {
 public:
  static constexpr std::array<int, 4> kScales = {1, 2, 3, 6};
  static constexpr i64 kChannels = 512;
  PyramidPooling(WeightRng rng, i64 in);
  /// [N,h,w,in] -> [N,h,w,512].
  Tensor forward(const Tensor& x) const;
  Tensor level(const Tensor& x, std::size_t index) const;  // [N,s,s,512], s = kScales[index]

 private:
  std::vector<const Conv2d*> convs_;
  std::vector<const GroupNorm*> norms_;
  std::optional<ConvNorm> bottleneck_;
};

/// "NewCRF", one level: two CRF blocks on x [N,h,w,input], with the coarser level's map v [N,h,w,values] as their
/// values, then "norm_crf". "proj_x" and "proj_v" are 3x3 convolutions to `dim`, where the widths differ.
class CrfLevel : public Module {
 public:
  /// Channels of x, of v and of the level itself, and the heads of its attention.
  struct Options {
    i64 input, values, dim;
    int heads;
    bool recompute = false;  // of the two blocks: keep only the inputs of their branches (engine/recompute.h)
  };
  CrfLevel(WeightRng rng, const Options& options);
  Tensor forward(const Tensor& x, const Tensor& v, const ForwardContext& = {}) const;  // [N,h,w,dim]

 private:
  Conv2d *proj_x_ = nullptr, *proj_v_ = nullptr;
  WindowLayer& crf_layer_;
  LayerNorm& norm_crf_;
};

/// "disp_head1": a 3x3 convolution "conv1" to one channel and a sigmoid, enlarged four times. In (0,1).
class DispHead : public Module {
 public:
  DispHead(WeightRng rng, i64 in);
  Tensor forward(const Tensor& x) const;  // [N,h,w,in] -> [N,4h,4w,1]

 private:
  Conv2d& conv1_;
};

/// The network; takes no focal length. MetricDepth acts on the output of the finest level.
class NewCrfs : public DepthNet {
 public:
  /// Swin's: 96, 128 or 192 channels in the first stage, 12, 24 or 24 blocks; windows of 7.
  enum class Size : std::uint8_t { tiny07, base07, large07 };
  NewCrfs(const NetOptions& options, Size size);

 private:
  NewCrfs(const NetOptions& options, const SwinOptions& encoder, std::optional<Rng> rng);
  /// Features: the output of crf0 [N,H/4,W/4,128].
  DepthMaps forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext&) const override;

  Swin& backbone_;
  std::array<const CrfLevel*, 4> crfs_;
  PyramidPooling& decoder_;
  DispHead& disp_head_;
};

}  // namespace md
