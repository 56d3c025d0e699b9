// How often each value of 16-bit depth files occurs, and whether they can be what they are taken for: the commonest
// mistakes with depth (another data set's unit, eight bits, another mark for "no measurement") all decode without
// error.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace md {

/// How often each value of 16-bit depth files occurs; 0 is no measurement.
class DepthHistogram {
 public:
  /// Counts these values; or the depth of a frame, in units of its file where that has whole numbers, else in
  /// centimetres or finer units of the data set; or what another one has counted, in this one's units, or in its if
  /// this has none yet.
  void add(std::span<const std::uint16_t> values);
  void add(const Sample&, const DatasetSpec&);
  void add(const DepthHistogram&);

  /// All of it for another process, and from there: {pixels, whole units, units per metre, value, count, value ...}.
  std::vector<double> numbers() const;
  static DepthHistogram from_numbers(const std::vector<double>&);

  /// Values counted; those that are measurements; those equal to `value`; those above it.
  i64 pixels() const { return pixels_; }
  i64 measured() const { return pixels_ - counts_[0]; }
  i64 count(int value) const { return counts_[std::size_t(value)]; }
  i64 above(int value) const;
  // Of the measured values; 0 where there are none.
  int lowest() const;
  int highest() const;
  int median() const;
  int distinct() const;
  /// The largest number that divides every value.
  int common_divisor() const;
  /// Whether the values are those of files that hold whole numbers.
  bool whole_units() const { return whole_units_; }
  /// Of the frames that were counted; 0: none was.
  float units_per_m() const { return units_per_m_; }

 private:
  std::vector<i64> counts_ = std::vector<i64>(65536);
  i64 pixels_ = 0;
  bool whole_units_ = true;
  float units_per_m_ = 0;
};

/// Why a frame's depth cannot be what its data set measures (data/datasets.h); empty where it can.
std::string implausible(const DepthHistogram&, const DatasetSpec&);

}  // namespace md
