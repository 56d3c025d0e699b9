// Ground truth and predictions of a frame share one scale, errors another.
#include "tools/report/frame_pictures.h"

#include <cmath>

#include "data/quantile.h"
#include "engine/printed.h"
#include "tools/report/axis.h"

namespace md {
namespace {

using nlohmann::json;

json coloured(const std::string& title, const std::string& alt, const Tensor& map, const ColourScale& scale,
              const PictureBudget& budget) {
  json object = titled_picture(title, alt, picture_of(scale, map), budget);
  object["legend"] = legend_of(scale);
  return object;
}

std::vector<double> measured(const Tensor& gt_m) {
  std::vector<double> values;
  for (i64 i = 0; i < gt_m.numel(); ++i) {
    if (gt_m.data()[i] > 0) values.push_back(double(gt_m.data()[i]));
  }
  return values;
}

}  // namespace

ColourScale depth_scale_of(const Tensor& gt_m) {
  const std::vector<double> values = measured(gt_m);
  const AxisRange range = nice_range({quantile(values, 0.02), quantile(values, 0.98)}, 8);
  return {ColourScale::Kind::depth, std::max(range.low, 0.0), range.high};
}

ColourScale error_scale_of(const std::vector<const ShownFrame*>& frames) {
  std::vector<double> sizes;
  for (const ShownFrame* frame : frames) {
    const Tensor errors = signed_error(*frame);
    for (i64 i = 0; i < errors.numel(); ++i) {
      if (!std::isnan(errors.data()[i])) sizes.push_back(std::abs(double(errors.data()[i])));
    }
  }
  const double most = nice_above(std::max(quantile(std::move(sizes), 0.95), 1e-3));
  return {ColourScale::Kind::error, -most, most};
}

Tensor signed_error(const ShownFrame& frame) {
  const Tensor errors = Tensor::empty(frame.gt_m.shape());
  for (i64 i = 0; i < errors.numel(); ++i) {
    const bool counts = frame.scored.data<std::uint8_t>()[i] != 0;
    errors.data()[i] = counts ? frame.pred_m.data()[i] - frame.gt_m.data()[i] : std::nanf("");
  }
  return errors;
}

json frame_pictures(const std::vector<const ShownFrame*>& frames, const std::vector<std::string>& names,
                    const PictureBudget& budget) {
  const ShownFrame& first = *frames.front();
  const ColourScale depth = depth_scale_of(first.gt_m), error = error_scale_of(frames);
  const double median = quantile(measured(first.gt_m), 0.5);
  json pictures = json::array();
  pictures.push_back(titled_picture("image", cat("photo ", first.name), first.image, budget));
  pictures.push_back(
      coloured("ground truth", printed("ground truth depth, median %.2f m", median), first.gt_m, depth, budget));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const ShownFrame& frame = *frames[i];
    const std::string whose = frames.size() > 1 ? ", " + names[i] : "";
    pictures.push_back(coloured("prediction" + whose,
                                cat("predicted depth", whose, printed(", AbsRel %.3f", frame.metrics.abs_rel)),
                                frame.pred_m, depth, budget));
    pictures.push_back(coloured(
        "error" + whose, cat("prediction minus ground truth", whose, printed(", RMSE %.2f m", frame.metrics.rmse)),
        signed_error(frame), error, budget));
    pictures.back()["words"] = "blue: too near, brown: too far";
  }
  return {{"name", first.name}, {"pictures", pictures}};
}

}  // namespace md
