// Where the ticks of an axis stand, and how numbers are written beside them.
#pragma once
#include <string>
#include <vector>

namespace md {

/// From the first value of an axis to the last.
struct AxisRange {
  double low = 0, high = 1;
};

/// Multiples of 1, 2 or 5 times a power of ten inside the range, about `wanted` of them. REQUIRES: low < high.
std::vector<double> nice_ticks(const AxisRange&, int wanted);

/// The range grown to such multiples; one that is empty or not finite becomes one around its value.
AxisRange nice_range(AxisRange, int wanted);

/// The smallest of 1, 2 or 5 times a power of ten that is not below a positive value.
double nice_above(double value);

/// "0.05", "1000", "2e-05": no more digits than a multiple of `step` has.
std::string tick_label(double value, double step);

/// Four significant digits, without zeros behind them: "0.1234", "12.3".
std::string short_number(double value);

}  // namespace md
