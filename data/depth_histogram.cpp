// First what holds for any depth, then what the data set knows of its sensor.
#include "data/depth_histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/datasets.h"
#include "engine/printed.h"

namespace md {
namespace {

constexpr i64 enough_pixels = 64;  // to say something about a frame
constexpr int enough_values = 8;   // to say something about their common divisor
constexpr double nearest_m = 0.1, farthest_m = 200;
constexpr double nearly_all = 0.99;
constexpr float kCentimetres = 100;  // units of a metre, for files of metres

std::string eight_bit(const DepthHistogram& depth) {
  if (depth.highest() <= 255) return printed("no value is above %d: 8-bit depth in a 16-bit file?", depth.highest());
  const int divisor = depth.common_divisor();
  if (depth.distinct() >= enough_values && (divisor % 256 == 0 || divisor % 257 == 0))
    return printed("every value is a multiple of %d: 8-bit depth stretched to 16 bits?", divisor);
  return "";
}

/// Rotated left by three, millimetres up to 8.191 m are multiples of 8, and those up to 16.383 m are 1 more; of plain
/// ones a quarter is. Nearer than half a metre, it may as well be a camera with coarse steps.
std::string rotated(const DepthHistogram& depth) {
  if (depth.distinct() < enough_values || depth.median() < 8 * 500) return "";
  i64 fitting = 0;
  for (int value = 8; value < 65536; value += 8) fitting += depth.count(value) + depth.count(value + 1);
  if (double(fitting) < nearly_all * double(depth.measured())) return "";
  return "nearly every value is a multiple of 8: bits rotated left by three (dataset sunrgbd)?";
}

}  // namespace

void DepthHistogram::add(const Sample& sample, const DatasetSpec& spec) {
  DepthHistogram frame;
  frame.whole_units_ = sample.whole_units;
  frame.units_per_m_ = sample.whole_units ? spec.units_per_m() : std::max(spec.units_per_m(), kCentimetres);
  std::vector<std::uint16_t> values;
  values.reserve(sample.depth_m.size());
  for (const float depth_m : sample.depth_m) {
    const long value = std::lround(std::min(depth_m * frame.units_per_m_, 65535.F));
    values.push_back(std::uint16_t(depth_m > 0 ? std::max(value, 1L) : 0));
  }
  frame.add(values);
  add(frame);
}

void DepthHistogram::add(std::span<const std::uint16_t> values) {
  for (const std::uint16_t value : values) ++counts_[value];
  pixels_ += i64(values.size());
}

void DepthHistogram::add(const DepthHistogram& other) {
  if (units_per_m_ == 0) units_per_m_ = other.units_per_m_;
  const double factor = other.units_per_m_ > 0 ? double(units_per_m_) / double(other.units_per_m_) : 1;
  counts_[0] += other.counts_[0];
  for (std::size_t v = 1; v < counts_.size(); ++v)
    counts_[std::size_t(std::clamp(std::lround(double(v) * factor), 1L, 65535L))] += other.counts_[v];
  pixels_ += other.pixels_;
  whole_units_ = whole_units_ && other.whole_units_;
}

std::vector<double> DepthHistogram::numbers() const {
  std::vector<double> all = {double(pixels_), double(whole_units_), double(units_per_m_)};
  for (std::size_t value = 0; value < counts_.size(); ++value) {
    if (counts_[value] > 0) all.insert(all.end(), {double(value), double(counts_[value])});
  }
  return all;
}

DepthHistogram DepthHistogram::from_numbers(const std::vector<double>& all) {
  DepthHistogram histogram;
  histogram.pixels_ = i64(all.at(0));
  histogram.whole_units_ = all.at(1) != 0;
  histogram.units_per_m_ = float(all.at(2));
  for (std::size_t i = 3; i + 1 < all.size(); i += 2) histogram.counts_.at(std::size_t(all[i])) = i64(all[i + 1]);
  return histogram;
}

i64 DepthHistogram::above(int value) const {
  return std::accumulate(counts_.begin() + value + 1, counts_.end(), i64{0});
}

int DepthHistogram::lowest() const {
  const auto first = std::find_if(counts_.begin() + 1, counts_.end(), [](i64 n) { return n > 0; });
  return first == counts_.end() ? 0 : int(first - counts_.begin());
}

int DepthHistogram::highest() const {
  int value = int(counts_.size()) - 1;
  while (value > 0 && counts_[std::size_t(value)] == 0) --value;
  return value;
}

int DepthHistogram::median() const {
  std::size_t value = 0;
  for (i64 seen = 0; value + 1 < counts_.size() && 2 * seen < measured();) seen += counts_[++value];
  return int(value);
}

int DepthHistogram::distinct() const {
  return int(std::count_if(counts_.begin() + 1, counts_.end(), [](i64 n) { return n > 0; }));
}

int DepthHistogram::common_divisor() const {
  int divisor = 0;
  for (std::size_t v = 1; v < counts_.size(); ++v) {
    if (counts_[v] > 0) divisor = std::gcd(divisor, int(v));
  }
  return divisor;
}

std::string implausible(const DepthHistogram& depth, const DatasetSpec& spec) {
  if (depth.measured() == 0) return "not one measured pixel";
  if (depth.measured() < enough_pixels) return "";
  if (depth.lowest() == depth.highest()) return printed("every measured pixel has the value %d", depth.lowest());
  if (depth.whole_units()) {
    for (const auto& looks_like : {eight_bit, rotated}) {
      if (const std::string why = looks_like(depth); !why.empty()) return why;
    }
  }
  const DatasetTraits& traits = dataset_traits(spec.dataset);
  const double saturated = double(depth.count(65535)) / double(depth.measured());
  if (saturated > 0.01)
    return printed(
        "%.0f %% of the values are 65535: is that this camera's \"no measurement\", or its sky? Here it is %g",
        100 * saturated, double(traits.not_measured));
  if (traits.implausible) {
    if (const std::string why = traits.implausible(depth); !why.empty()) return why;
  }
  const double median_m = depth.median() / double(depth.units_per_m() > 0 ? depth.units_per_m() : spec.units_per_m());
  if (median_m < nearest_m || median_m > farthest_m)
    return printed("the median depth is %g m: is %g the number of units per metre?", median_m,
                   double(spec.units_per_m()));
  return "";
}

}  // namespace md
