// The first principal components of feature maps: what MetricDepth acts on, as colours.
#pragma once
#include <array>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Directions of largest variance of vectors of C numbers.
struct PrincipalComponents {
  std::vector<double> mean = {};                     // [C]
  std::vector<std::vector<double>> directions = {};  // at most 3 of [C], of length 1
  std::vector<double> shares = {};                   // of the whole variance, one a direction
  /// Places of a feature along the directions.
  std::array<float, 3> project(const float* feature) const;
};

/// Of the pixels of maps [h,w,C] of one C, all of them together. The sign of a direction is that which makes its
/// largest coefficient positive.
PrincipalComponents principal_components(const std::vector<Tensor>& maps);

}  // namespace md
