// A network as a function from pictures of any size to depth.
#pragma once
#include "data/image_io.h"
#include "engine/backend.h"
#include "tools/eval/input_size.h"
#include "tools/eval/predictor.h"

namespace md {

/// Depth of one picture.
struct PictureDepth {
  Tensor depth_m;     // [h,w] at the size at which the picture went in, metres along z, finite, on the CPU
  ImageSize picture;  // to which it belongs
};

/// Brings pictures to their working size and asks the network. What a large picture took is given back to the system
/// after one that needs less.
class PicturePredictor {
 public:
  /// REQUIRES: the network outlives it, and nothing else uses it meanwhile.
  PicturePredictor(DepthNet&, const InputSize&, const PredictorOptions&);

  /// `image` is the picture or a smaller copy of it, no smaller than its working size; `focal_px` that of the whole
  /// picture, 0 where the network needs none. Throws what DepthNet::forward throws, and ErrorKind::not_finite.
  PictureDepth operator()(const RgbImage& image, ImageSize picture, double focal_px) const;

 private:
  InputSize size_;
  Backend& backend_;
  NetPredictor net_;
};

}  // namespace md
