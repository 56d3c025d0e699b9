// A step's sample of pairs comes to the host, where it is sorted: a few thousand numbers.
#include "losses/adaptive_pairs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/launch.h"
#include "engine/metric_depth_formula.h"

namespace md {
namespace {

constexpr i64 kSampled = 8192;       // pairs of a step
constexpr std::size_t kFewest = 64;  // measured ones, to tell levels
constexpr double kSlowest = 0.02;    // of a running average: the weight of the newest step
// Parts of all pairs whose depths differ by less: r_p, and the lower ends of the ranges, the last of which is open. The
// paper's values for NYU lie at 0.15, 0.51, 0.72, 0.92 and 0.995 of 7-Scenes' red kitchen.
constexpr double kPositives = 0.15, kLow[] = {0.5, 0.7, 0.9};
constexpr int kLevels = 64;  // that are tried for the margins

/// Of one shift: depth difference (NaN: not measured) and distance of the features, for anchors spread evenly.
struct MeasurePairs {
  const float *features, *depth;  // [K,h,w,C], [K,h,w]
  int K, h, w;
  i64 C;
  PairNeighbour sample;
  i64 count;
  float *apart, *distance;  // [count]
  MD_HD void operator()(i64, i64 i) const {
    // The golden ratio's multiples, modulo 1, are spread evenly, and in step with no row.
    const std::uint64_t part = std::uint64_t(i + 1) * 2654435769U & 0xFFFFFFFFU;
    const int p = int(part * std::uint64_t(i64(K) * h * w) >> 32);
    const int x = p % w, row = p / w;
    const int q =
        (wrapped(row / h + sample.image, K) * h + wrapped(row % h + sample.row, h)) * w + wrapped(x + sample.column, w);
    const float difference = measured_or_nan(depth[p]) - measured_or_nan(depth[q]);
    float sum = 0.F;
    for (i64 c = 0; c < C; ++c) {
      const float d = features[p * C + c] - features[q * C + c];
      sum += d * d;
    }
    apart[i] = difference < 0.F ? -difference : difference;
    distance[i] = std::sqrt(sum);
  }
};

/// The level of sorted values below which such a part of them lies; one of them, never a mixture.
template <class T>
const T& level(const std::vector<T>& sorted, double part) {
  return sorted[std::min(std::size_t(part * double(sorted.size())), sorted.size() - 1)];
}

/// An average of all steps at first, and later of the last fifty or so; begins with the first value.
void follow(double& average, double value, i64 updates) {
  average += std::max(kSlowest, 1 / double(updates + 1)) * (value - average);
}

}  // namespace

std::vector<AdaptivePairs::Pair> AdaptivePairs::sample(const Tensor& features, const Tensor& depth_m,
                                                       const std::vector<MetricDepthPairs::Shift>& shifts) const {
  const Tensor depth = depth_to_compare(depth_m, options_.difference);
  const i64 each = std::min((kSampled + i64(shifts.size()) - 1) / i64(shifts.size()), depth.numel());
  const Tensor measured = Tensor::empty({2, i64(shifts.size()) * each}, features.device());
  const int K = int(features.dim(0)), h = int(features.dim(1)), w = int(features.dim(2));
  for (std::size_t n = 0; n < shifts.size(); ++n) {
    float *const apart = measured.data() + i64(n) * each, *const distance = apart + measured.dim(1);
    launch(features.device(), 1, each,
           MeasurePairs{features.data(), depth.data(), K, h, w, features.dim(3), neighbour_of(shifts[n], true, K, h, w),
                        each, apart, distance});
  }
  const std::vector<float> numbers = measured.to_host();
  const std::size_t half = numbers.size() / 2;
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < half; ++i) {
    if (!std::isnan(numbers[i])) pairs.push_back({numbers[i], numbers[half + i]});
  }
  return pairs;
}

void AdaptivePairs::update(const Tensor& features, const Tensor& depth_m,
                           const std::vector<MetricDepthPairs::Shift>& shifts) {
  if (shifts.empty()) return;
  std::vector<Pair> pairs = sample(features.detach(), depth_m, shifts);
  const bool finite = std::all_of(pairs.begin(), pairs.end(),
                                  [](const Pair& p) { return std::isfinite(p.apart) && std::isfinite(p.distance); });
  if (!finite || pairs.size() < kFewest) return;
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.apart < b.apart; });
  follow_depths(pairs);
  follow_distances(pairs);
  ++updates_;
}

void AdaptivePairs::follow_depths(const std::vector<Pair>& by_depth) {
  follow(positive_below_, double(level(by_depth, kPositives).apart), updates_);
  for (std::size_t j = 0; j < kRanges; ++j) follow(low_[j], double(level(by_depth, kLow[j]).apart), updates_);
}

void AdaptivePairs::follow_distances(const std::vector<Pair>& by_depth) {
  std::vector<Negatives> ranges;
  double pull = 0, largest = 0;
  for (const Pair& pair : by_depth) pull += double(pair.apart) < positive_below_ ? double(pair.distance) : 0;
  for (std::size_t j = 0; j < kRanges; ++j) ranges.push_back(negatives(by_depth, range(j)));
  const double part = balanced_level(ranges, pull);
  for (std::size_t j = 0; j < kRanges; ++j) {
    if (ranges[j].empty()) continue;
    largest = std::max(largest, double(level(ranges[j], part).pushed_below));
    follow(margin_[j], largest, margin_[j] > 0 ? updates_ : 0);
  }
}

AdaptivePairs::Negatives AdaptivePairs::negatives(const std::vector<Pair>& by_depth,
                                                  const MetricDepthPairs::Range& r) const {
  Negatives found;
  for (const Pair& pair : by_depth) {
    if (!(r.low < pair.apart && pair.apart < r.high)) continue;
    const float of_margin = options_.proportional_margins ? pair.apart / centre_of(r) : 1.F;
    found.push_back({pair.distance / of_margin, pair.distance});
  }
  std::sort(found.begin(), found.end(),
            [](const Negative& a, const Negative& b) { return a.pushed_below < b.pushed_below; });
  return found;
}

/// The lowest level of all ranges' negatives at which the push on those below it is as strong as the pull; 1 where none
/// is.
double AdaptivePairs::balanced_level(const std::vector<Negatives>& ranges, double pull) {
  for (int tried = 1; tried < kLevels; ++tried) {
    const double part = double(tried) / kLevels;
    double push = 0;
    for (const Negatives& all : ranges) {
      const auto below = std::size_t(part * double(all.size()));
      for (std::size_t i = 0; i < below; ++i) push += double(all[i].distance);
    }
    if (push >= pull) return part;
  }
  return 1;
}

MetricDepthPairs::Range AdaptivePairs::range(std::size_t j) const {
  const float high = j + 1 < kRanges ? float(low_[j + 1]) : std::numeric_limits<float>::infinity();
  return {float(low_[j]), high, float(margin_[j])};
}

MetricDepthOptions AdaptivePairs::options() const {
  MetricDepthOptions now = options_;
  now.positive_below_m = float(positive_below_);
  now.ranges.clear();
  for (std::size_t j = 0; j < kRanges && updates_ > 0; ++j) {
    const MetricDepthPairs::Range r = range(j);
    if (r.margin > 0.F && r.low < r.high) now.ranges.push_back(r);
  }
  return now;
}

std::vector<double> AdaptivePairs::state() const {
  std::vector<double> all = {double(updates_), positive_below_};
  all.insert(all.end(), std::begin(low_), std::end(low_));
  all.insert(all.end(), std::begin(margin_), std::end(margin_));
  return all;
}

void AdaptivePairs::set_state(std::span<const double> all) {
  const bool sound =
      all.size() == 2 + 2 * kRanges && std::all_of(all.begin(), all.end(), [](double x) { return x >= 0 && x < 1e15; });
  if (!sound) fail(ErrorKind::bad_data, "metric_depth: ", all.size(), " numbers are no thresholds and margins");
  updates_ = i64(all[0]);
  positive_below_ = all[1];
  std::copy_n(all.begin() + 2, kRanges, low_);
  std::copy_n(all.begin() + 2 + kRanges, kRanges, margin_);
}

}  // namespace md
