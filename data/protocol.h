// Evaluation protocols: everything that lies between a predicted map and a number in a table. Named, and printed with
// every result, because published numbers differ in exactly these choices. Source: the evaluators of BTS and NeWCRFs.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/metrics.h"

namespace md {

/// The part of the ground truth that is scored.
enum class ScoreCrop : std::uint8_t {
  none,
  eigen_nyu,    // rows 45..470, columns 41..600 of 480x640
  eigen_kitti,  // Eigen's fractions of height and width
  garg,         // Garg's
};

/// The two evaluators of the official code differ outside the pasted KITTI crop.
enum class Evaluator : std::uint8_t {
  online,  // paste, then clamp: outside the crop the prediction is `min_m`
  pngs,    // clamp, then paste: outside the crop it is 0, and scoring such a pixel is an error
};

struct Protocol {
  std::string name;
  float min_m = 1e-3F, cap_m = 10.F;  // scored: min_m < ground truth < cap_m; predictions are clamped to both
  ScoreCrop crop = ScoreCrop::none;
  bool kb_crop = false;     // the net sees KITTI's 352x1216 benchmark crop; its prediction is pasted back
  bool gt_kb_crop = false;  // score within that crop, so that `crop` is a part of 352x1216 (online loops of the peers)
  float depth_scale = 1000.F;  // units of the ground truth file per metre
  bool flip_average = false;   // average with the flipped prediction of the flipped image (NeWCRFs)
  bool repair = false;         // NaN -> min_m, inf -> cap_m as the peers do; else they are an error
  Evaluator evaluator = Evaluator::online;
  Arithmetic arithmetic = Arithmetic::f32;
};

/// "plain" (whole frame, the data set's usual cap), "nyu_eigen", "kitti_eigen_garg" (Garg's crop, the usual one) or
/// "kitti_eigen" (Eigen's). Throws Exit::usage for any other name, and for one that is not for this data set.
Protocol named_protocol(const std::string& name, DatasetKind);

/// A peer's habits on top: "bts" (its PNG evaluator, repair) or "newcrfs" (flip_average, repair, and gt_kb_crop where
/// the protocol has kb_crop). Throws Exit::usage for another name.
void apply_compat(Protocol&, const std::string& peer);

/// "NAME: every parameter" on one line.
std::string describe(const Protocol&);

struct Box {
  i64 top, left, bottom, right;  // bottom and right exclusive
};
/// Throws Exit::bad_data, naming `image`, where the crop wants another size.
Box score_box(ScoreCrop, i64 height, i64 width, const std::string& image);

/// 1 for each pixel of gt_m [H,W] that is scored, else 0.
Tensor scored_pixels(const Protocol&, const Tensor& gt_m, const std::string& image);

/// The map that is compared with a ground truth of height x width: pred_m [h,w] repaired or refused (Exit::numeric,
/// with the name of the image), clamped and pasted at `crop`.
Tensor finish_prediction(const Protocol&, const Tensor& pred_m, const EvalCrop& crop, i64 height, i64 width,
                         const std::string& image);

/// The measures of one image: pred_m [h,w] is the crop of gt_m [H,W]. Nothing if no pixel is scored.
std::optional<Metrics> score(const Protocol&, const Tensor& pred_m, const Tensor& gt_m, const EvalCrop& crop,
                             const std::string& image);

/// What is left of a prediction in a 16-bit file of the peers: truncated to 1/depth_scale m. Non-finite values stay.
Tensor through_png(const Tensor& pred_m, float depth_scale);

/// NeWCRFs' post-processing: the mean of both maps, with 5 % at each side taken from one of them alone and a linear
/// ramp over the next 5 %. pred, pred_of_flipped (as the net gave it, still mirrored) [h,w] -> [h,w].
Tensor flip_average(const Tensor& pred, const Tensor& pred_of_flipped);

}  // namespace md
