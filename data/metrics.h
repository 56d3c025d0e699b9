// The nine error measures of monocular depth (Eigen et al. 2014, as BTS and NeWCRFs compute them) and two of KITTI's
// depth prediction benchmark, for one image and over images. Which pixels are scored: data/protocol.h, data/score.h.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string_view>
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
  double sq_err_rel = 0;          // mean ((p - g) / g)^2: the benchmark's sqErrorRel, which is not Eigen's sq_rel
  double irmse = 0;               // 1000 sqrt(mean (1/p - 1/g)^2), 1/km
  double log_bias = 0;            // mean e: no measure, but what pooling silog needs
  double pixels = 0;              // that were scored; over images their sum
};

/// Key in files, title in tables, place in the struct.
struct MetricField {
  const char* key;
  const char* title;
  double Metrics::*value;
  bool root = false;    // the root of a mean over pixels
  bool higher = false;  // is better
};
inline constexpr std::array<MetricField, 11> metric_fields{{{"abs_rel", "AbsRel", &Metrics::abs_rel},
                                                            {"sq_rel", "SqRel", &Metrics::sq_rel},
                                                            {"rmse", "RMSE", &Metrics::rmse, true},
                                                            {"rmse_log", "RMSElog", &Metrics::rmse_log, true},
                                                            {"log10", "log10", &Metrics::log10},
                                                            {"silog", "SILog", &Metrics::silog},
                                                            {"d1", "d1", &Metrics::d1, false, true},
                                                            {"d2", "d2", &Metrics::d2, false, true},
                                                            {"d3", "d3", &Metrics::d3, false, true},
                                                            {"sq_err_rel", "SqErrRel", &Metrics::sq_err_rel},
                                                            {"irmse", "iRMSE", &Metrics::irmse, true}}};

/// The field of this key. REQUIRES: there is one.
const MetricField& metric_field(std::string_view key);

/// What one pixel is computed in; sums are always double. f32 is what the official evaluators do: a ratio that rounds
/// to 1.25 is not below it, which moves d1 by about 1e-4 on millimetre data.
enum class Arithmetic : std::uint8_t { f32, f64 };

/// depth maps [H,W] in metres; `scored` [H,W] u8, nonzero where a pixel counts. Nothing if no pixel counts.
std::optional<Metrics> image_metrics(const Tensor& pred_m, const Tensor& gt_m, const Tensor& scored,
                                     Arithmetic = Arithmetic::f32);

/// How images become one number. Papers average per image; the two differ most in RMSE.
enum class Averaging : std::uint8_t {
  per_image,  // every image weighs the same
  pooled,     // every scored pixel does, as if all images were one
};

/// REQUIRES: at least one.
Metrics mean_metrics(std::span<const Metrics> images, Averaging = Averaging::per_image);

/// The same with image i counted times[i] times, for resampling. REQUIRES: as many times as images, not all 0.
Metrics mean_metrics(std::span<const Metrics> images, Averaging, std::span<const std::uint32_t> times);

/// Whether no measure is NaN or infinite.
bool all_finite(const Metrics&);

}  // namespace md
