// Curves of thousands of noisy steps, as a few hundred points that can be read.
#pragma once
#include <vector>

namespace md {

/// A curve's x and y.
struct Curve {
  std::vector<double> x, y;
};

/// The exponential average of y over x, in which a value counts half as much after `half_life` in x; what the first
/// values lack in weight is made good, so that the average begins at the first value (as TensorBoard's).
Curve smoothed(const Curve&, double half_life);

/// A curve cut into at most `most` pieces of about as many points: the middle x of each, its last y of `smooth`, and
/// the lowest and highest y of `raw`, which has the same x.
struct ThinnedCurve {
  std::vector<double> x, y, low, high;
};
ThinnedCurve thinned(const Curve& raw, const Curve& smooth, int most);

}  // namespace md
