// A prediction's way to its measures under a protocol: through a file or not, averaged, filled, scaled, repaired or
// refused, clamped, pasted, masked, scored. Source: the evaluators of BTS and NeWCRFs, and KITTI's own.
#pragma once
#include <string>

#include "data/augment.h"
#include "data/protocol.h"

namespace md {

/// A rectangle of an image, in pixels.
struct Box {
  i64 top, left, bottom, right;  // bottom and right exclusive
};
/// Throws ErrorKind::bad_data, naming `image`, where the crop wants another size.
Box score_box(ScoreCrop, i64 height, i64 width, const std::string& image);

/// 1 for each pixel of gt_m [H,W] that is scored, else 0.
Tensor scored_pixels(const Protocol&, const Tensor& gt_m, const std::string& image);

/// The map that is compared with a ground truth: pred_m [h,w] repaired, or refused where `scored` (u8 [H,W] as of
/// scored_pixels()) is 1 (ErrorKind::not_finite, with `name` and how many pixels), clamped and pasted at `crop`.
Tensor finish_prediction(const Protocol&, const Tensor& pred_m, const EvalCrop& crop, const Tensor& scored,
                         const std::string& name);

/// What is left of a prediction in a 16-bit file of the peers: truncated to 1/depth_scale m. Non-finite values stay.
Tensor through_png(const Tensor& pred_m, float depth_scale);

/// NeWCRFs' post-processing: the mean of both maps, with 5 % at each side taken from one of them alone and a linear
/// ramp over the next 5 %. pred, pred_of_flipped (as the net gave it, still mirrored) [h,w] -> [h,w].
Tensor flip_average(const Tensor& pred, const Tensor& pred_of_flipped);

/// The crop's part of a map [H,W].
Tensor cut(const Tensor& map, const EvalCrop&);

/// One image: what was compared, [H,W] or the crop of it, and what came of it.
struct Scored {
  Tensor pred_m, gt_m, pixels;     // finished prediction, ground truth, u8 mask of scored_pixels()
  std::optional<Metrics> metrics;  // nothing if no pixel is scored
  i64 zeros = 0;                   // scored pixels that are predicted as 0 or less, and clamped
  i64 filled = 0;                  // pixels that were 0 or less, or outside the predicted crop, and filled
  i64 filled_scored = 0;           // of which so many are scored
};

/// pred_m [h,w] is the crop of gt_m [H,W]. Throws ErrorKind::not_finite where its measures are not finite or, for
/// median_scaling, no median is above 0; ErrorKind::bad_data where a scored pixel is unknown and cannot be filled. Both
/// name the prediction, or else the image.
Scored score(const Protocol&, const Tensor& pred_m, const Tensor& gt_m, const EvalCrop& crop, const std::string& image,
             const std::string& prediction = "");

}  // namespace md
