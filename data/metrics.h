// The nine error measures of monocular depth (Eigen et al. 2014, as BTS and NeWCRFs compute them) for one image, and
// their plain mean over images. Which pixels are scored is the protocol's business (data/protocol.h).
#pragma once
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Over the scored pixels with prediction p and ground truth g in metres, e = ln p - ln g:
struct Metrics {
  double abs_rel = 0;             // mean |p - g| / g
  double sq_rel = 0;              // mean (p - g)^2 / g, metres
  double rmse = 0;                // sqrt(mean (p - g)^2), metres
  double rmse_log = 0;            // sqrt(mean e^2)
  double log10 = 0;               // mean |log10 p - log10 g|
  double silog = 0;               // 100 sqrt(mean e^2 - (mean e)^2)
  double d1 = 0, d2 = 0, d3 = 0;  // share of pixels with max(p/g, g/p) < 1.25, 1.25^2, 1.25^3
};

/// Key in files, title in tables, place in the struct.
struct MetricField {
  const char* key;
  const char* title;
  double Metrics::*value;
};
inline constexpr std::array<MetricField, 9> metric_fields{{{"abs_rel", "AbsRel", &Metrics::abs_rel},
                                                           {"sq_rel", "SqRel", &Metrics::sq_rel},
                                                           {"rmse", "RMSE", &Metrics::rmse},
                                                           {"rmse_log", "RMSElog", &Metrics::rmse_log},
                                                           {"log10", "log10", &Metrics::log10},
                                                           {"silog", "SILog", &Metrics::silog},
                                                           {"d1", "d1", &Metrics::d1},
                                                           {"d2", "d2", &Metrics::d2},
                                                           {"d3", "d3", &Metrics::d3}}};

/// What one pixel is computed in; sums are always double. f32 is what the official evaluators do: a ratio that rounds
/// to 1.25 is not below it, which moves d1 by about 1e-4 on millimetre data.
enum class Arithmetic : std::uint8_t { f32, f64 };

/// depth maps [H,W] in metres; `scored` [H,W] u8, nonzero where a pixel counts. Nothing if no pixel counts.
std::optional<Metrics> image_metrics(const Tensor& pred_m, const Tensor& gt_m, const Tensor& scored,
                                     Arithmetic = Arithmetic::f32);

/// Every image weighs the same. REQUIRES: at least one.
Metrics mean_metrics(std::span<const Metrics> images);

bool all_finite(const Metrics&);

}  // namespace md
