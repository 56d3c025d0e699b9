// A prediction's way to its measures: average, repair or refuse, clamp, paste, mask, score.
#include "data/protocol.h"

#include <algorithm>
#include <cmath>

namespace md {
namespace {

const char* name_of(ScoreCrop crop) {
  switch (crop) {
    case ScoreCrop::none:
      return "none";
    case ScoreCrop::eigen_nyu:
      return "eigen_nyu";
    case ScoreCrop::eigen_kitti:
      return "eigen_kitti";
    case ScoreCrop::garg:
      return "garg";
  }
  return "?";
}

const char* yes_no(bool on) { return on ? "yes" : "no"; }

/// The crop's part of a map [H,W].
Tensor cut(const Tensor& map, const EvalCrop& crop) {
  const Tensor part = Tensor::empty({crop.height, crop.width});
  for (i64 y = 0; y < crop.height; ++y) {
    std::copy_n(map.data() + (crop.top + y) * map.dim(1) + crop.left, crop.width, part.data() + y * crop.width);
  }
  return part;
}

Box fractions(double top, double left, double bottom, double right, i64 height, i64 width) {
  const double h = double(height), w = double(width);
  return {i64(top * h), i64(left * w), i64(bottom * h), i64(right * w)};
}

}  // namespace

Protocol named_protocol(const std::string& name, DatasetKind kind) {
  const bool kitti = kind == DatasetKind::kitti;
  Protocol protocol;
  protocol.name = name;
  protocol.cap_m = kitti ? 80.F : 10.F;
  protocol.depth_scale = depth_units_per_m(kind);
  if (name == "plain") return protocol;
  const bool garg = name == "kitti_eigen_garg";
  if (name != "nyu_eigen" && name != "kitti_eigen" && !garg) {
    fail(Exit::usage, "--protocol: no protocol '", name, "' (plain, nyu_eigen, kitti_eigen_garg, kitti_eigen)");
  }
  if (kitti == (name == "nyu_eigen")) {
    fail(Exit::usage, "--protocol: ", name, " is not for a ", kitti ? "kitti" : "nyu", " checkpoint");
  }
  protocol.crop = !kitti ? ScoreCrop::eigen_nyu : garg ? ScoreCrop::garg : ScoreCrop::eigen_kitti;
  protocol.kb_crop = kitti;
  return protocol;
}

void apply_compat(Protocol& protocol, const std::string& peer) {
  if (peer != "bts" && peer != "newcrfs") fail(Exit::usage, "--compat: no peer '", peer, "' (bts, newcrfs)");
  protocol.repair = true;
  if (peer == "bts") {
    protocol.evaluator = Evaluator::pngs;
  } else {
    protocol.flip_average = true;
    protocol.gt_kb_crop = protocol.kb_crop;
  }
}

std::string describe(const Protocol& p) {
  return cat(p.name, ": ", p.min_m, " < depth < ", p.cap_m, " m, crop ", name_of(p.crop), ", kb crop ",
             yes_no(p.kb_crop), ", ground truth kb crop ", yes_no(p.gt_kb_crop), ", depth scale ", p.depth_scale,
             ", flip average ", yes_no(p.flip_average), ", non-finite ", p.repair ? "repaired" : "refused",
             ", evaluator ", p.evaluator == Evaluator::pngs ? "pngs" : "online", ", arithmetic ",
             p.arithmetic == Arithmetic::f32 ? "f32" : "f64");
}

Box score_box(ScoreCrop crop, i64 height, i64 width, const std::string& image) {
  switch (crop) {
    case ScoreCrop::none:
      break;
    case ScoreCrop::eigen_nyu:
      if (height != 480 || width != 640) {
        fail(Exit::bad_data, image, ": ground truth is ", height, "x", width, ", the NYU Eigen crop wants 480x640");
      }
      return {45, 41, 471, 601};
    case ScoreCrop::eigen_kitti:
      return fractions(0.3324324, 0.0359477, 0.91351351, 0.96405229, height, width);
    case ScoreCrop::garg:
      return fractions(0.40810811, 0.03594771, 0.99189189, 0.96405229, height, width);
  }
  return {0, 0, height, width};
}

Tensor scored_pixels(const Protocol& protocol, const Tensor& gt_m, const std::string& image) {
  const i64 width = gt_m.dim(1);
  const Box box = score_box(protocol.crop, gt_m.dim(0), width, image);
  const Tensor scored = Tensor::zeros(gt_m.shape(), {}, DType::u8);
  for (i64 y = box.top; y < box.bottom; ++y) {
    for (i64 x = box.left; x < box.right; ++x) {
      const float depth_m = gt_m.data()[y * width + x];
      scored.data<std::uint8_t>()[y * width + x] = depth_m > protocol.min_m && depth_m < protocol.cap_m;
    }
  }
  return scored;
}

Tensor finish_prediction(const Protocol& protocol, const Tensor& pred_m, const EvalCrop& crop, i64 height, i64 width,
                         const std::string& image) {
  MD_CHECK(pred_m.shape() == Shape({crop.height, crop.width}) && crop.top >= 0 && crop.left >= 0 &&
               crop.top + crop.height <= height && crop.left + crop.width <= width,
           "protocol: prediction ", pred_m.shape(), " does not fit its crop of ", height, "x", width);
  const Tensor whole = Tensor::full({height, width}, protocol.evaluator == Evaluator::online ? protocol.min_m : 0.F);
  for (i64 y = 0; y < crop.height; ++y) {
    for (i64 x = 0; x < crop.width; ++x) {
      const float depth_m = pred_m.data()[y * crop.width + x];
      if (!std::isfinite(depth_m) && !protocol.repair) {
        fail(Exit::numeric, image, ": the prediction has NaN or infinite values");
      }
      whole.data()[(crop.top + y) * width + crop.left + x] =
          std::isnan(depth_m) ? protocol.min_m : std::clamp(depth_m, protocol.min_m, protocol.cap_m);
    }
  }
  return whole;
}

std::optional<Metrics> score(const Protocol& protocol, const Tensor& pred_m, const Tensor& gt_m, const EvalCrop& crop,
                             const std::string& image) {
  if (protocol.gt_kb_crop) {
    Protocol within = protocol;
    within.gt_kb_crop = false;
    return score(within, pred_m, cut(gt_m, crop), {0, 0, crop.height, crop.width}, image);
  }
  const Tensor finished = finish_prediction(protocol, pred_m, crop, gt_m.dim(0), gt_m.dim(1), image);
  const auto metrics = image_metrics(finished, gt_m, scored_pixels(protocol, gt_m, image), protocol.arithmetic);
  if (metrics && !all_finite(*metrics)) {
    fail(Exit::numeric, image, ": the measures are not finite (a scored pixel lies outside the predicted crop)");
  }
  return metrics;
}

Tensor through_png(const Tensor& pred_m, float depth_scale) {
  const Tensor stored = pred_m.clone();
  for (float& depth_m : std::span(stored.data(), std::size_t(stored.numel()))) {
    if (std::isfinite(depth_m)) depth_m = std::trunc(std::clamp(depth_m * depth_scale, 0.F, 65535.F)) / depth_scale;
  }
  return stored;
}

Tensor flip_average(const Tensor& pred, const Tensor& pred_of_flipped) {
  const i64 h = pred.dim(0), w = pred.dim(1);
  MD_CHECK(pred.shape() == pred_of_flipped.shape(), "flip_average: maps differ: ", pred.shape(), " and ",
           pred_of_flipped.shape());
  // Weight of the flipped prediction alone: 1 in the left 5 %, falling to 0 at 10 %.
  const auto alone = [w](i64 x) {
    const float position = w > 1 ? float(x) / float(w - 1) : 0.F;
    return 1 - std::clamp(20 * (position - 0.05F), 0.F, 1.F);
  };
  const Tensor mixed = Tensor::empty(pred.shape());
  for (i64 y = 0; y < h; ++y) {
    for (i64 x = 0; x < w; ++x) {
      const float plain = pred.data()[y * w + x], flipped = pred_of_flipped.data()[y * w + w - 1 - x];
      const float left = alone(x), right = alone(w - 1 - x);
      mixed.data()[y * w + x] = right * plain + left * flipped + (1 - left - right) * 0.5F * (plain + flipped);
    }
  }
  return mixed;
}

}  // namespace md
