// A network as a function from images to depth maps: what mdeval's evaluation and `mdeval predict` have in common.
#pragma once
#include <vector>

#include "nets/depth_net.h"

namespace md {

/// What becomes of a prediction.
struct PredictorOptions {
  bool flip_average = false;  // average with the prediction of the mirrored image (data/score.h)
};

/// While it lives the network is in evaluation mode and stays on its device; then it is in the mode it was in. No other
/// thread may use it.
class NetPredictor {
 public:
  explicit NetPredictor(DepthNet& net, const PredictorOptions& = {});
  ~NetPredictor();
  NetPredictor(const NetPredictor&) = delete;
  NetPredictor& operator=(const NetPredictor&) = delete;

  /// images [n,h,w,3], normalised, on the CPU; focal_px n focal lengths in pixels, or none where the network needs none
  /// -> n maps [h,w] in metres, on the CPU. No tape. Throws what DepthNet::forward throws.
  std::vector<Tensor> operator()(const Tensor& images, const std::vector<float>& focal_px) const;

 private:
  Tensor forward(const Tensor& images, const Tensor& focal_px) const;

  DepthNet& net_;
  PredictorOptions options_;
  Device device_;  // where the network is
  bool was_training_;
};

/// Images [n,h,w,3], each mirrored left to right.
Tensor mirrored(const Tensor& images);

}  // namespace md
