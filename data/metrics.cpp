// One pass over the pixels of an image; sums in double whatever the arithmetic. Pooled means come from the images' own:
// a mean over all pixels is the mean of the images' means, weighed by their pixels.
#include "data/metrics.h"

#include <algorithm>
#include <cmath>

#include "engine/check.h"

namespace md {
namespace {

/// 100 sqrt(E[e^2] - E[e]^2); the variance of a constant e may come out as -1e-17.
double silog_of(double mean_squared_log, double mean_log) {
  return 100 * std::sqrt(std::max(mean_squared_log - mean_log * mean_log, 0.0));
}

/// Sums over the scored pixels; Real is the type of the arithmetic within a pixel.
template <class Real>
struct Sums {
  double abs_rel = 0, sq_rel = 0, squared = 0, log = 0, abs_log = 0, squared_log = 0, squared_rel = 0, inverse = 0;
  i64 below[3] = {0, 0, 0}, pixels = 0;

  void add(Real p, Real g) {
    const Real difference = p - g, e = std::log(p) - std::log(g), ratio = std::max(p / g, g / p);
    const Real relative = difference / g, inverse_difference = 1 / p - 1 / g;
    abs_rel += std::abs(difference) / g;
    sq_rel += difference * difference / g;
    squared += difference * difference;
    log += e;
    abs_log += std::abs(e);
    squared_log += e * e;
    squared_rel += relative * relative;
    inverse += inverse_difference * inverse_difference;
    below[0] += ratio < Real(1.25);
    below[1] += ratio < Real(1.25 * 1.25);
    below[2] += ratio < Real(1.25 * 1.25 * 1.25);
    ++pixels;
  }

  Metrics metrics() const {
    const double n = double(pixels), mean_log = log / n, mean_squared_log = squared_log / n;
    return {.abs_rel = abs_rel / n,
            .sq_rel = sq_rel / n,
            .rmse = std::sqrt(squared / n),
            .rmse_log = std::sqrt(mean_squared_log),
            .log10 = abs_log / n / std::log(10.0),
            .silog = silog_of(mean_squared_log, mean_log),
            .d1 = double(below[0]) / n,
            .d2 = double(below[1]) / n,
            .d3 = double(below[2]) / n,
            .sq_err_rel = squared_rel / n,
            .irmse = 1000 * std::sqrt(inverse / n),
            .log_bias = mean_log,
            .pixels = n};
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

Metrics mean_metrics(std::span<const Metrics> images, Averaging averaging) {
  return mean_metrics(images, averaging, std::vector<std::uint32_t>(images.size(), 1));
}

Metrics mean_metrics(std::span<const Metrics> images, Averaging averaging, std::span<const std::uint32_t> times) {
  MD_CHECK(!images.empty() && times.size() == images.size(), "metrics: ", images.size(), " images, ", times.size(),
           " counts");
  const bool pooled = averaging == Averaging::pooled;
  Metrics mean;
  double total = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const double weight = times[i] * (pooled ? images[i].pixels : 1.0);
    total += weight;
    mean.pixels += times[i] * images[i].pixels;
    mean.log_bias += weight * images[i].log_bias;
    for (const MetricField& field : metric_fields) {
      const double value = images[i].*field.value;
      mean.*field.value += weight * (pooled && field.root ? value * value : value);
    }
  }
  mean.log_bias /= total;
  for (const MetricField& field : metric_fields) {
    mean.*field.value /= total;
    if (pooled && field.root) mean.*field.value = std::sqrt(mean.*field.value);
  }
  if (pooled) mean.silog = silog_of(mean.rmse_log * mean.rmse_log, mean.log_bias);
  return mean;
}

const MetricField& metric_field(std::string_view key) {
  const auto* const found = std::ranges::find(metric_fields, key, &MetricField::key);
  MD_CHECK(found != metric_fields.end(), "metrics: no measure '", key, "'");
  return *found;
}

bool all_finite(const Metrics& metrics) {
  return std::all_of(metric_fields.begin(), metric_fields.end(),
                     [&](const MetricField& field) { return std::isfinite(metrics.*field.value); });
}

}  // namespace md
