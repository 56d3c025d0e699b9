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

/// The sum of the values of the block's threads, for all of them. REQUIRES: whole warps.
__device__ inline float sum_of_block(float value) {
  __shared__ float of_warp[kWarp];
  const unsigned warps = blockDim.x / kWarp;
  const float sum = sum_of_warp(value);
  __syncthreads();  // the last call's sums have been read
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = sum;
  __syncthreads();
  return sum_of_warp(threadIdx.x % kWarp < warps ? of_warp[threadIdx.x % kWarp] : 0.F);
}

/// The largest of the lanes' values; NaN is passed over.
__device__ inline float max_of_warp(float value) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, apart));
  return value;
}

}  // namespace md::cuda
