// Steps are 1, 2 or 5 times a power of ten (Heckbert, Nice Numbers for Graph Labels, 1990).
#include "tools/report/axis.h"

#include <algorithm>
#include <cmath>

#include "engine/printed.h"

namespace md {
namespace {

/// Rounding of a quotient of doubles must not move a tick.
constexpr double kSlack = 1e-9;

double step_of(const AxisRange& range, int wanted) { return nice_above((range.high - range.low) / (wanted + 0.5)); }

}  // namespace

double nice_above(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (value <= factor * power * (1 + kSlack)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> nice_ticks(const AxisRange& range, int wanted) {
  const double step = step_of(range, wanted);
  std::vector<double> ticks;
  for (double k = std::ceil(range.low / step - kSlack); k * step <= range.high + kSlack * step; ++k)
    ticks.push_back(k * step + 0.0);  // no -0
  return ticks;
}

AxisRange nice_range(AxisRange range, int wanted) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high)) return {0, 1};
  if (!(range.low < range.high)) {
    const double around = range.low == 0 ? 1 : 0.1 * std::abs(range.low);
    range = {range.low - around, range.low + around};
  }
  const double step = step_of(range, wanted);
  return {std::floor(range.low / step + kSlack) * step, std::ceil(range.high / step - kSlack) * step};
}

std::string tick_label(double value, double step) {
  if (value == 0) return "0";
  if (std::abs(value) >= 1e5 || std::abs(value) < 1e-3) return printed("%.3g", value);
  const int digits = std::max(0, int(-std::floor(std::log10(step) + kSlack)));
  return printed("%.*f", std::min(digits, 6), value);
}

std::string short_number(double value) { return printed("%.4g", value); }

}  // namespace md
