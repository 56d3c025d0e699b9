// Only the two neighbours are put into their places.
#include "data/quantile.h"

#include <algorithm>
#include <limits>

namespace md {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double rank = q * double(values.size() - 1);
  const auto below = std::ptrdiff_t(rank);
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[std::size_t(below)];
  if (double(below) == rank) return low;
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (rank - double(below)) * (high - low);
}

}  // namespace md
