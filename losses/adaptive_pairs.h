// MetricDepth's thresholds and margins from the data, in place of numbers set by hand for each network and data set
// (losses/README.md has the mathematics). Of every step a sample of the pairs is measured: the levels of its depth
// differences are r_p and the ranges, and the levels of the features' distances in each range are its margin. All of
// them are running averages. No constant has a unit: depths in other units give the same pairs.
#pragma once
#include <span>
#include <vector>

#include "losses/metric_depth.h"

namespace md {

/// Running thresholds and margins. On a GPU, update() waits for it.
class AdaptivePairs {
 public:
  /// Of `options` it takes how depths are compared and whether margins are proportional.
  explicit AdaptivePairs(const MetricDepthOptions& options) : options_(options) {}

  /// Takes in a step: features [K,h,w,C], depth_m [K,h,w], and its shifts. What is not finite, or has too few measured
  /// pairs to tell levels, changes nothing. A function of the arguments and the state alone.
  void update(const Tensor& features, const Tensor& depth_m, const std::vector<MetricDepthPairs::Shift>& shifts);

  /// The options with these thresholds: no pair is anything before the first update, and no range is there before it
  /// had a pair.
  MetricDepthOptions options() const;

  /// All that update() depends on, to go on from: how many updates, r_p, the lower ends of the ranges, the margins (0
  /// where there is none yet). set_state throws ErrorKind::bad_data unless it is such a list.
  std::vector<double> state() const;
  void set_state(std::span<const double>);

 private:
  static constexpr std::size_t kRanges = 3;
  struct Pair {
    float apart, distance;  // of depths, of features
  };
  std::vector<Pair> sample(const Tensor& features, const Tensor& depth_m,
                           const std::vector<MetricDepthPairs::Shift>& shifts) const;
  struct Negative {
    float pushed_below, distance;  // a range's margin from which on it is pushed; of features
  };
  using Negatives = std::vector<Negative>;  // of a range, ascending
  void follow_depths(const std::vector<Pair>& by_depth);
  void follow_distances(const std::vector<Pair>& by_depth);
  Negatives negatives(const std::vector<Pair>& by_depth, const MetricDepthPairs::Range&) const;
  static double balanced_level(const std::vector<Negatives>&, double pull);
  MetricDepthPairs::Range range(std::size_t j) const;

  MetricDepthOptions options_;
  i64 updates_ = 0;
  double positive_below_ = 0, low_[kRanges] = {}, margin_[kRanges] = {};
};

}  // namespace md
