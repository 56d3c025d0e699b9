// s_i = (a s_(i-1) + (1 - a) y_i), a = 2^(-dx / half_life), divided by the weight that has come together so far.
#include "tools/report/smoothing.h"

#include <algorithm>
#include <cmath>

#include "engine/check.h"

namespace md {

Curve smoothed(const Curve& curve, double half_life) {
  MD_CHECK(half_life > 0, "smoothed: half life ", half_life);
  Curve out{curve.x, {}};
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    const double passed = i == 0 ? 1 : curve.x[i] - curve.x[i - 1];
    const double keep = std::exp2(-passed / half_life);
    sum = keep * sum + (1 - keep) * curve.y[i];
    weight = keep * weight + (1 - keep);
    out.y.push_back(sum / weight);
  }
  return out;
}

ThinnedCurve thinned(const Curve& raw, const Curve& smooth, int most) {
  ThinnedCurve out;
  const std::size_t n = raw.x.size(), pieces = std::min(n, std::size_t(most));
  for (std::size_t p = 0; p < pieces; ++p) {
    const std::size_t from = p * n / pieces, to = (p + 1) * n / pieces;
    out.x.push_back((raw.x[from] + raw.x[to - 1]) / 2);
    out.y.push_back(smooth.y[to - 1]);
    const auto [low, high] =
        std::minmax_element(raw.y.begin() + std::ptrdiff_t(from), raw.y.begin() + std::ptrdiff_t(to));
    out.low.push_back(*low);
    out.high.push_back(*high);
  }
  return out;
}

}  // namespace md
