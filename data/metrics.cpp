// One pass over the pixels of an image; sums in double whatever the arithmetic.
#include "data/metrics.h"

#include <algorithm>
#include <cmath>

namespace md {
namespace {

/// Sums over the scored pixels; Real is the type of the arithmetic within a pixel.
template <class Real>
struct Sums {
  double abs_rel = 0, sq_rel = 0, squared = 0, log = 0, abs_log = 0, squared_log = 0;
  i64 below[3] = {0, 0, 0}, pixels = 0;

  void add(Real p, Real g) {
    const Real difference = p - g, e = std::log(p) - std::log(g), ratio = std::max(p / g, g / p);
    abs_rel += std::abs(difference) / g;
    sq_rel += difference * difference / g;
    squared += difference * difference;
    log += e;
    abs_log += std::abs(e);
    squared_log += e * e;
    below[0] += ratio < Real(1.25);
    below[1] += ratio < Real(1.25 * 1.25);
    below[2] += ratio < Real(1.25 * 1.25 * 1.25);
    ++pixels;
  }

  Metrics metrics() const {
    const double n = double(pixels), mean_log = log / n, mean_squared_log = squared_log / n;
    // The variance of a constant e may come out as -1e-17.
    const double variance = mean_squared_log - mean_log * mean_log;
    return {.abs_rel = abs_rel / n,
            .sq_rel = sq_rel / n,
            .rmse = std::sqrt(squared / n),
            .rmse_log = std::sqrt(mean_squared_log),
            .log10 = abs_log / n / std::log(10.0),
            .silog = 100 * std::sqrt(variance < 0 ? 0 : variance),
            .d1 = double(below[0]) / n,
            .d2 = double(below[1]) / n,
            .d3 = double(below[2]) / n};
  }
};

template <class Real>
std::optional<Metrics> measure(const Tensor& pred_m, const Tensor& gt_m, const Tensor& scored) {
  const float* const p = pred_m.data();
  const float* const g = gt_m.data();
  const std::uint8_t* const counts = scored.data<std::uint8_t>();
  Sums<Real> sums;
  for (i64 i = 0; i < gt_m.numel(); ++i) {
    if (counts[i]) sums.add(Real(p[i]), Real(g[i]));
  }
  if (sums.pixels == 0) return std::nullopt;
  return sums.metrics();
}

}  // namespace

std::optional<Metrics> image_metrics(const Tensor& pred_m, const Tensor& gt_m, const Tensor& scored,
                                     Arithmetic arithmetic) {
  MD_CHECK(pred_m.shape() == gt_m.shape() && scored.shape() == gt_m.shape(), "metrics: prediction ", pred_m.shape(),
           ", ground truth ", gt_m.shape(), " and mask ", scored.shape(), " differ");
  return arithmetic == Arithmetic::f32 ? measure<float>(pred_m, gt_m, scored) : measure<double>(pred_m, gt_m, scored);
}

Metrics mean_metrics(std::span<const Metrics> images) {
  MD_CHECK(!images.empty(), "metrics: the mean over no image");
  Metrics mean;
  for (const MetricField& field : metric_fields) {
    double sum = 0;
    for (const Metrics& image : images) sum += image.*field.value;
    mean.*field.value = sum / double(images.size());
  }
  return mean;
}

bool all_finite(const Metrics& metrics) {
  return std::all_of(metric_fields.begin(), metric_fields.end(),
                     [&](const MetricField& field) { return std::isfinite(metrics.*field.value); });
}

}  // namespace md
