// Where a method is wrong: its error by depth, by part of the image and by distance to a depth edge, over all scored
// pixels of all frames; and how its scale is off, frame by frame.
#pragma once
#include <vector>

#include "tools/eval/evaluate.h"

namespace md {

/// Sums over pixels with prediction p and ground truth g.
struct ErrorSums {
  double pixels = 0, relative = 0, squared_m2 = 0;
  double abs_rel() const { return relative / pixels; }  // mean |p - g| / g; NaN without pixels
  double rmse_m() const;                                // sqrt(mean (p - g)^2)
};

class Breakdown {
 public:
  static constexpr int kDepthBins = 10, kRegions = 3;
  /// Distances in pixels at which the next bin begins; the first begins at 0.
  static const std::vector<float>& edge_distances();

  /// Depth is divided evenly up to far_m.
  explicit Breakdown(float far_m) : far_m_(far_m) {}
  /// A frame without ground truth changes nothing.
  void add(const EvaluatedFrame&);

  float far_m() const { return far_m_; }
  /// kDepthBins; kRegions rows of kRegions, from the top left; as many as edge_distances().
  const std::vector<ErrorSums>& by_depth() const { return by_depth_; }
  const std::vector<ErrorSums>& by_region() const { return by_region_; }
  const std::vector<ErrorSums>& by_edge() const { return by_edge_; }
  /// Of each scored frame: median prediction over median ground truth.
  const std::vector<double>& scales() const { return scales_; }

 private:
  float far_m_;
  std::vector<ErrorSums> by_depth_ = std::vector<ErrorSums>(kDepthBins);
  std::vector<ErrorSums> by_region_ = std::vector<ErrorSums>(std::size_t(kRegions) * kRegions);
  std::vector<ErrorSums> by_edge_ = std::vector<ErrorSums>(edge_distances().size());
  std::vector<double> scales_;
};

/// How far bins of depth reach under a protocol, metres: its cap, or its data set's usual one where the protocol has
/// none.
float usual_cap_m(const Protocol&);

}  // namespace md
