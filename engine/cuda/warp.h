// Reductions over the 32 lanes of a warp, in an order of their own; every lane gets the result. REQUIRES: all take
// part.
#pragma once
#include "engine/cuda/portable.h"

namespace md::cuda {

/// Threads that go in step, and the mask that names all of them.
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFF;

/// The sum of the lanes' values.
__device__ inline float sum_of_warp(float value) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(kAllLanes, value, apart);
  return value;
}

/// The largest of the lanes' values; NaN is passed over.
__device__ inline float max_of_warp(float value) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, apart));
  return value;
}

}  // namespace md::cuda
