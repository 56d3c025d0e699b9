// What KITTI's own evaluation does before it scores: a 0 of a prediction is no depth but "unknown", and is filled.
// Source: interpolateBackground() in cpp/io_depth.h of the depth devkit, which sets 0 of a 16-bit file to -1 and takes
// whatever is below 0 as unknown. The devkit's measures are the same but for rounding: it sums in float32, column by
// column, which moves the fifth digit.
#pragma once
#include "engine/tensor.h"

namespace md {

/// Not a depth; NaN is a wrong one.
inline bool is_unknown(float depth_m) { return depth_m <= 0; }

/// How many pixels were filled, and how many had nothing to be filled from.
struct UnknownPixels {
  i64 filled = 0, left = 0;
};

/// Fills what is 0 or less in depth_m [H,W]. Inside a row: the smaller of its two neighbours; at a row's ends: the
/// nearest; then rows without any depth above the first and below the last that has some: those of their columns. Rows
/// without any depth between two others stay as they are, as the devkit leaves them.
UnknownPixels fill_unknown(const Tensor& depth_m);

}  // namespace md
