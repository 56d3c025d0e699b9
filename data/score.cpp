// Every step is the official evaluators', in their order and in float32.
#include "data/score.h"

#include <algorithm>
#include <cmath>

#include "data/kitti_fill.h"
#include "engine/text.h"

namespace md {
namespace {

Box fractions(double top, double left, double bottom, double right, i64 height, i64 width) {
  const double h = double(height), w = double(width);
  return {i64(top * h), i64(left * w), i64(bottom * h), i64(right * w)};
}

/// As numpy.median: the mean of the middle two of an even number.
double median(std::vector<float> values) {
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (double(*middle) + double(*std::max_element(values.begin(), middle))) / 2;
}

/// pred_m times the ratio of the medians over the scored pixels that it covers; as it is where there are none.
Tensor median_scaled(const Tensor& pred_m, const Tensor& gt_m, const Tensor& pixels, const EvalCrop& crop,
                     const std::string& name) {
  const Tensor gt = cut(gt_m, crop);
  std::vector<float> predicted, measured;
  for (i64 i = 0; i < gt.numel(); ++i) {
    const i64 y = crop.top + i / crop.width, x = crop.left + i % crop.width;
    if (!pixels.data<std::uint8_t>()[y * gt_m.dim(1) + x]) continue;
    predicted.push_back(pred_m.data()[i]);
    measured.push_back(gt.data()[i]);
  }
  if (predicted.empty()) return pred_m;
  const bool finite = std::ranges::all_of(predicted, [](float p) { return std::isfinite(p); });
  const double ratio = finite ? median(measured) / median(predicted) : 0;
  if (!(ratio > 0 && std::isfinite(ratio)))
    fail(ErrorKind::not_finite, name, ": the prediction has no median to scale by");
  const Tensor scaled = pred_m.clone();
  for (float& depth_m : std::span(scaled.data(), std::size_t(scaled.numel()))) depth_m = float(depth_m * ratio);
  return scaled;
}

/// Scored pixels of the crop that `matches` their prediction.
template <class Matches>
i64 count_scored(const Tensor& pred_m, const EvalCrop& crop, const Tensor& scored, Matches matches) {
  i64 count = 0;
  for (i64 y = 0; y < crop.height; ++y) {
    const std::uint8_t* const row = scored.data<std::uint8_t>() + (crop.top + y) * scored.dim(1) + crop.left;
    for (i64 x = 0; x < crop.width; ++x) count += row[x] && matches(pred_m.data()[y * crop.width + x]);
  }
  return count;
}

EvalCrop whole_of(const Tensor& map) { return {0, 0, int(map.dim(0)), int(map.dim(1))}; }

void check_fits(const Tensor& pred_m, const EvalCrop& crop, const Tensor& frame) {
  MD_CHECK(pred_m.shape() == Shape({crop.height, crop.width}) && crop.top >= 0 && crop.left >= 0 &&
               crop.top + crop.height <= frame.dim(0) && crop.left + crop.width <= frame.dim(1),
           "protocol: prediction ", pred_m.shape(), " does not fit its crop of ", frame.dim(0), "x", frame.dim(1));
}

/// The whole frame's map, in which everything that can be is filled; `scored` gets what there is to say of it.
Tensor filled_map(const Tensor& pred_m, const EvalCrop& crop, const std::string& name, Scored& scored) {
  const Tensor whole = Tensor::zeros(scored.gt_m.shape());
  for (i64 y = 0; y < crop.height; ++y)
    std::copy_n(pred_m.data() + y * crop.width, crop.width, whole.data() + (crop.top + y) * whole.dim(1) + crop.left);
  const i64 unknown = count_scored(whole, whole_of(whole), scored.pixels, is_unknown);
  const UnknownPixels pixels = fill_unknown(whole);
  const i64 left = pixels.left == 0 ? 0 : count_scored(whole, whole_of(whole), scored.pixels, is_unknown);
  if (left > 0 && pixels.left == whole.numel())
    fail(ErrorKind::bad_data, name, ": the prediction is 0 everywhere: KITTI's rule has nothing to fill it from");
  if (left > 0)
    fail(ErrorKind::bad_data, name, ": the prediction is 0 at ", counted(left, "scored pixel"),
         " of whole rows between others, which KITTI's rule does not fill");
  scored.filled = pixels.filled;
  scored.filled_scored = unknown;
  return whole;
}

}  // namespace

Tensor cut(const Tensor& map, const EvalCrop& crop) {
  const Tensor part = Tensor::empty({crop.height, crop.width});
  for (i64 y = 0; y < crop.height; ++y) {
    std::copy_n(map.data() + (crop.top + y) * map.dim(1) + crop.left, crop.width, part.data() + y * crop.width);
  }
  return part;
}

Box score_box(ScoreCrop crop, i64 height, i64 width, const std::string& image) {
  switch (crop) {
    case ScoreCrop::none:
      break;
    case ScoreCrop::eigen_nyu:
      if (height != 480 || width != 640) {
        fail(ErrorKind::bad_data, image, ": ground truth is ", height, "x", width,
             ", the NYU Eigen crop wants 480x640");
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

Tensor finish_prediction(const Protocol& protocol, const Tensor& pred_m, const EvalCrop& crop, const Tensor& scored,
                         const std::string& name) {
  check_fits(pred_m, crop, scored);
  const i64 height = scored.dim(0), width = scored.dim(1);
  const i64 wrong = protocol.repair ? 0 : count_scored(pred_m, crop, scored, [](float d) { return !std::isfinite(d); });
  if (wrong > 0)
    fail(ErrorKind::not_finite, name, ": the prediction has NaN or infinite values at ",
         counted(wrong, "scored pixel"));
  const Tensor whole = Tensor::full({height, width}, protocol.evaluator == Evaluator::online ? protocol.min_m : 0.F);
  for (i64 y = 0; y < crop.height; ++y) {
    for (i64 x = 0; x < crop.width; ++x) {
      const float depth_m = pred_m.data()[y * crop.width + x];
      whole.data()[(crop.top + y) * width + crop.left + x] =
          std::isnan(depth_m) ? protocol.min_m : std::clamp(depth_m, protocol.min_m, protocol.cap_m);
    }
  }
  return whole;
}

Scored score(const Protocol& protocol, const Tensor& pred_m, const Tensor& gt_m, const EvalCrop& crop,
             const std::string& image, const std::string& prediction) {
  if (protocol.gt_kb_crop) {
    Protocol within = protocol;
    within.gt_kb_crop = false;
    return score(within, pred_m, cut(gt_m, crop), {0, 0, crop.height, crop.width}, image, prediction);
  }
  const std::string& name = prediction.empty() ? image : prediction;
  Scored scored{.pred_m = {}, .gt_m = gt_m, .pixels = scored_pixels(protocol, gt_m, image), .metrics = {}};
  check_fits(pred_m, crop, gt_m);
  const bool fill = protocol.zero_depth == ZeroDepth::filled;
  if (!fill) scored.zeros = count_scored(pred_m, crop, scored.pixels, is_unknown);
  const Tensor map_m = fill ? filled_map(pred_m, crop, name, scored) : pred_m;
  const EvalCrop place = fill ? whole_of(gt_m) : crop;
  const Tensor scaled = protocol.median_scaling ? median_scaled(map_m, gt_m, scored.pixels, place, name) : map_m;
  scored.pred_m = finish_prediction(protocol, scaled, place, scored.pixels, name);
  scored.metrics = image_metrics(scored.pred_m, gt_m, scored.pixels, protocol.arithmetic);
  if (scored.metrics && !all_finite(*scored.metrics)) {
    fail(ErrorKind::not_finite, name, ": the measures are not finite (a scored pixel lies outside the predicted crop)");
  }
  return scored;
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
