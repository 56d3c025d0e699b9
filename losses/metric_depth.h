// MetricDepth (Liu, Yang, Zuo, Zang): deep metric learning on the feature map before the prediction layer. Pixels with
// nearly equal depth are pulled together (l), pixels whose depths differ by a range are pushed a margin apart
// (max(0, margin - l)), l = Euclidean distance of their features. The other pixel of each pair comes from the same map
// rolled (within, Eq. 1-4) or from another image of the batch at the same place (across).
#pragma once
#include <string>
#include <vector>

#include "engine/comm.h"
#include "engine/metric_depth_pairs.h"
#include "engine/step_number.h"
#include "engine/tensor.h"

namespace md {

/// The depth difference D_r = |D_a - D_s| says what a pair is: D_r < r_p a positive; r_l < D_r < r_h in a range; else
/// nothing. Where ranges overlap, the last one wins.
struct MetricDepthOptions {
  int n_within = 10, n_across = 4;
  float positive_below_m = 0.1F;                                                                         // r_p
  std::vector<MetricDepthPairs::Range> ranges = {{0.5F, 1.F, 3.F}, {1.F, 1.5F, 6.F}, {1.5F, 2.F, 8.F}};  // LT on NYU
  enum class Reduction : std::uint8_t { mean, sum } reduction = Reduction::mean;  // over identified pairs, or Eq. 13
  /// D_r, also of the thresholds: metres, or relative: |ln D_a - ln D_s|, what stays where all depths are scaled.
  enum class Difference : std::uint8_t { absolute, relative } difference = Difference::absolute;
  /// Where several ranks have the batch: its images, or those of a rank, are what a sample across images is drawn from.
  enum class AcrossRanks : std::uint8_t { global, local } across_ranks = AcrossRanks::global;
  bool proportional_margins = false;  // margin * D_r / centre_of(range) instead of the margin
  float weight = 1.F;
};

/// Multi-range strategy (Eq. 11) from a configuration: "0.5-1" metres each, and a margin each; "0.5-inf" is the uniform
/// strategy (Eq. 8, r_n = 0.5). Throws ErrorKind::usage, quoting the string, unless 0 <= low < high and margin > 0.
std::vector<MetricDepthPairs::Range> parse_ranges(const std::vector<std::string>& ranges_m,
                                                  const std::vector<double>& margins);

/// The D_r at which a proportional margin is the margin: the middle; of a range without end its beginning, or 1.
float centre_of(const MetricDepthPairs::Range&);

/// The samples of a training step, and whether some of those asked for cannot be.
struct MetricDepthShifts {
  std::vector<MetricDepthPairs::Shift> list;
  bool across_left_out = false;  // leaves_across_out()
};
/// Whether samples across images are asked for of a batch of one, which has none: worth a notice.
bool leaves_across_out(const MetricDepthOptions&, i64 K);
/// The samples of one training step, a function of (seed, step) alone: n_within rolls (0, s_h in [1,h-1], s_w in
/// [1,w-1]) and n_across batch offsets ([1,K-1], 0, 0) with replacement. Throws unless h, w >= 2.
MetricDepthShifts draw_shifts(const MetricDepthOptions&, std::uint64_t seed, i64 step, i64 K, i64 h, i64 w);
/// The same list as metric_depth takes it, drawn on the device. Not differentiable.
Tensor draw_shifts(const MetricDepthOptions&, std::uint64_t seed, const StepNumber& step, i64 K, i64 h, i64 w, Device);

/// How a cell of the feature map takes its depth from the pixels under it: the nearest, source index floor(i*H/h), as
/// torch.nn.functional.interpolate(mode="nearest"), or the first measured one in reading order, which keeps up to 16x
/// more LiDAR points at H/4.
enum class DepthCell : std::uint8_t { nearest, first_valid };
/// depth_m [K,H,W], 0 = not measured -> [K,h,w]. Not differentiable.
Tensor depth_to_feature_size(const Tensor& depth_m, i64 h, i64 w, DepthCell);

/// Numbers whose differences are the D_r that is asked for, of the same shape: depth_m itself, or 16 + ln depth_m; <= 0
/// where nothing was measured (or below 1e-7 m). Not differentiable.
Tensor depth_to_compare(const Tensor& depth_m, MetricDepthOptions::Difference);

/// features [K,h,w,C], depth_m [K,h,w] (<= 0 = not measured) -> scalar [], weight included; differentiable in features,
/// at both ends of a pair. No identified pair: loss 0, gradient 0. The gradient of l at l = 0 is 0. `shifts` is i32
/// [N,3], a MetricDepthPairs::Shift in each row, on the features' device; or a list of them.
Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const Tensor& shifts, const MetricDepthOptions&);
Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const std::vector<MetricDepthPairs::Shift>& shifts,
                    const MetricDepthOptions&);

/// The same loss of the batch of all ranks, of which each has K images: image k of rank r is number r * K + k. The
/// shifts are those of that batch where a rank's images are compared with other ranks' (AcrossRanks::global), else
/// those of its own. The same value on every rank; the gradient is that of its own features.
Tensor metric_depth(const Tensor& features, const Tensor& depth_m, const std::vector<MetricDepthPairs::Shift>& shifts,
                    const MetricDepthOptions&, Communicator& ranks);

}  // namespace md
