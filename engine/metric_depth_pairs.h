// Which pixels MetricDepth compares, and what their depths make of them (Liu, Yang, Zuo, Zang: the sets of pairs of
// Eq. 1-11). engine/metric_depth_formula.h has what a pair adds to the loss.
#pragma once
#include <vector>

#include "engine/tensor.h"

namespace md {

/// The pairs of one map of features [K,h,w,C]: every pixel is the anchor of one pair for each shift.
struct MetricDepthPairs {
  /// The sample of anchor (k,y,x) is (k - image, y - row, x - column), each wrapped around.
  struct Shift {
    int image, row, column;
  };
  /// Pairs whose depths differ by D_r, more than `low` and less than `high` metres, are pushed margin + slope * D_r
  /// apart, a distance of features.
  struct Range {
    float low, high, margin;
    float slope = 0.F;  // per metre
  };
  Tensor shifts;                // i32 [N,3]: Shift after Shift, on the features' device
  std::vector<Range> ranges;    // where they overlap, the last one wins
  float positive_below = 0.1F;  // r_p, metres: pairs whose depths differ by less are pulled together

  /// How many shifts there are.
  i64 count() const { return shifts.dim(0); }
  /// The first of them.
  const Shift* first_shift() const { return static_cast<const Shift*>(shifts.raw()); }
};

}  // namespace md
