// What a pair of MetricDepth is and what it adds (Liu, Yang, Zuo, Zang, Eq. 1-13), for both devices. With l the
// Euclidean distance of the two features:
//   D_r = |D_a - D_s| < r_p   a positive:         t(l) = l                  pulled together
//   r_l < D_r < r_h           in that range:      t(l) = max(0, m - l)      pushed the margin m apart, which may grow
//                                                                          with D_r (MetricDepthPairs::Range)
// and dt/df_p = t'(l) (f_p - f_q) / l at either end p, taken as 0 at l = 0. A pair with a depth that was not measured
// is none: such a depth is NaN, and every comparison with it is false.
//   Every function is inlined wherever it is called, so that a CPU's set of kernels may compile it for its own
// instructions (engine/cpu/kernel_set.h); constexpr, so that code for a GPU may call it (nvcc
// --expt-relaxed-constexpr).
#pragma once
#include <limits>

#include "engine/metric_depth_pairs.h"

namespace md {

#define MD_INLINE [[gnu::always_inline]] inline constexpr

/// The depth, metres, or NaN where nothing was measured (0 or below).
MD_INLINE float measured_or_nan(float depth_m) {
  return depth_m > 0.F ? depth_m : std::numeric_limits<float>::quiet_NaN();
}

/// What a pair can be, beside the margin of a range, which is positive: none of either, or a positive.
constexpr float kNoPair = 0.F, kPositivePair = -1.F;

/// What the depths (measured_or_nan) of anchor and sample make of a pair: kNoPair, kPositivePair, or the margin of its
/// range. T is a float, or a vector of them for as many pairs.
template <class T>
MD_INLINE T kind_of_pair(T anchor_m, T sample_m, float positive_below_m, const MetricDepthPairs::Range* ranges,
                         int count) {
  const T signed_m = anchor_m - sample_m;
  const T apart_m = signed_m < 0.F ? -signed_m : signed_m;
  T kind = apart_m < positive_below_m ? T{} + kPositivePair : T{} + kNoPair;
  for (int j = 0; j < count; ++j) {
    const T margin = ranges[j].margin + ranges[j].slope * apart_m;
    kind = (apart_m > ranges[j].low) & (apart_m < ranges[j].high) ? margin : kind;
  }
  return kind;
}

/// What a pair of this kind (not kNoPair), whose features are l apart, adds to the loss, and the factor of f_p - f_q in
/// the gradient at p. NaN features give NaN.
struct PairTerm {
  float value, coefficient;
};
MD_INLINE PairTerm term_of_pair(float kind, float l) {
  const float slope = kind == kPositivePair ? 1.F : l >= kind ? 0.F : -1.F;
  const float value = slope > 0.F ? l : l >= kind ? 0.F : kind - l;
  return {value, l == 0.F ? 0.F : slope / l};
}

/// The other end of a pair as seen from pixel (k,y,x): (k + image, y + row, x + column), each wrapped around. All are
/// in [0, size).
struct PairNeighbour {
  int image, row, column;
};

/// A place of `size`, from the sum of two of them.
MD_INLINE int wrapped(int position, int size) { return position < size ? position : position - size; }

/// The remainder in [0, n).
MD_INLINE int modulo(int a, int n) { return (a % n + n) % n; }

/// Where an anchor finds its sample, or (from_anchor = false) a sample the anchor that it belongs to.
MD_INLINE PairNeighbour neighbour_of(const MetricDepthPairs::Shift& s, bool from_anchor, int images, int rows,
                                     int columns) {
  const int sign = from_anchor ? -1 : 1;
  return {modulo(sign * s.image, images), modulo(sign * s.row, rows), modulo(sign * s.column, columns)};
}

#undef MD_INLINE

}  // namespace md
