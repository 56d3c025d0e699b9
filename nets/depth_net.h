// DepthNet: what the trainer and the evaluator know of a network (nets/registry.h has them by name). Any image size
// from 32 to 4096: the image is padded at the bottom and right to multiples of 32 by reflection, the maps are cropped
// after, the same way for every network.
#pragma once
#include <cstdint>
#include <optional>

#include "engine/module.h"
#include "engine/rng.h"
#include "nets/forward_context.h"

namespace md {

/// What a network is built with. Those that only some networks have say which (nets/registry.h).
struct NetOptions {
  float max_depth_m = 10.F;               // the prediction is in (0, max_depth_m)
  std::optional<std::uint64_t> seed = 0;  // of the initial weights; none: they hold anything until they are loaded
  bool focal_scaling = false;             // BTS on KITTI: depth times focal_px / 715.0873
  // NeWCRFs.
  double drop_path_rate = 0.3;  // of Swin's last block, in training
  bool recompute = false;       // keep only what is between blocks; their insides are computed again in the backward
};

/// What a network says of a batch of images, f32 whatever the precision.
struct DepthMaps {
  Tensor depth_m;   // [N,H,W,1]
  Tensor features;  // [N,h,w,C]: the map before the prediction layer, on which MetricDepth acts
};

/// A network from images to depth.
class DepthNet : public Module {
 public:
  explicit DepthNet(const NetOptions& options) : options_(options) {}
  /// What it was made with.
  const NetOptions& options() const { return options_; }

  /// image [N,H,W,3], ImageNet-normalised; focal_px [N], may be empty for networks that do not use it.
  /// Throws ErrorKind::bad_data for another shape or size.
  DepthMaps forward(const Tensor& image, const Tensor& focal_px = {}, const ForwardContext& = {}) const;

 private:
  /// The network itself. REQUIRES: H and W are multiples of 32.
  virtual DepthMaps forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext&) const = 0;
  NetOptions options_;
};

/// What the initial weights are drawn from, if they are.
std::optional<Rng> init_rng(const NetOptions&);

}  // namespace md
