// From a place in memory to coordinates: what NumPy calls unravel_index. For kernels, on both devices.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/tensor.h"

namespace md {

/// Stands for the extent of the first axis, on which no coordinate depends.
constexpr i64 kAnyExtent = 0;

/// The coordinates of the index-th element of a dense tensor with these extents, the last axis running fastest:
///   const auto [n, y, x] = unravel(pixel, {kAnyExtent, H, W});
/// REQUIRES: all below 2^32, as the rows and columns of a launch are; a GPU divides such numbers much faster.
template <std::size_t kRank>
constexpr std::array<i64, kRank> unravel(i64 index, const i64 (&extents)[kRank]) {
  std::array<i64, kRank> at{};
  auto left = static_cast<std::uint32_t>(index);
  for (std::size_t axis = kRank - 1; axis > 0; --axis) {
    const auto extent = static_cast<std::uint32_t>(extents[axis]);
    at[axis] = left % extent;
    left /= extent;
  }
  at[0] = left;
  return at;
}

}  // namespace md
