// From a place in memory to coordinates: what NumPy calls unravel_index. For kernels, on both devices.
#pragma once
#include <array>
#include <cstddef>

#include "engine/tensor.h"

namespace md {

/// Stands for the extent of the first axis, on which no coordinate depends.
constexpr i64 kAnyExtent = 0;

/// The coordinates of the index-th element of a dense tensor with these extents, the last axis running fastest:
///   const auto [n, y, x] = unravel(pixel, {kAnyExtent, H, W});
template <std::size_t kRank>
constexpr std::array<i64, kRank> unravel(i64 index, const i64 (&extents)[kRank]) {
  std::array<i64, kRank> at{};
  for (std::size_t axis = kRank - 1; axis > 0; --axis) {
    at[axis] = index % extents[axis];
    index /= extents[axis];
  }
  at[0] = index;
  return at;
}

}  // namespace md
