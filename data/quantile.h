// The quantile of numbers, for intervals, ranges and medians.
#pragma once
#include <vector>

namespace md {

/// Between the neighbours of rank q (n - 1), as numpy.quantile; NaN of no values. q in [0,1]; the order does not
/// matter.
double quantile(std::vector<double> values, double q);

}  // namespace md
