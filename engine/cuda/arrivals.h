// Which block of a grid ends last, so that it can finish what the others began, where a second grid would cost more to
// launch than to run. REQUIRES: kernels follow each other on one stream. Device code.
#pragma once
#include "engine/cuda/portable.h"

namespace md::cuda {

/// How many groups of more than one block a grid may have.
constexpr int kMostGroups = 256;

/// True for all threads of the block of this group that comes last of `blocks`; what the others wrote before they came
/// can be read then. Every thread of every block calls it. Which block is the last one differs from run to run.
__device__ inline bool last_of_group(unsigned group, unsigned blocks) {
  static unsigned arrived[kMostGroups];  // zeros before and after every kernel; device memory
  __shared__ bool last;
  __syncthreads();  // the block has written, and read the answer of the last call
  if (blocks == 1) return true;
  if (threadIdx.x == 0) {
    __threadfence();                                              // before it counts: all that the block has written
    last = atomicInc(&arrived[group], blocks - 1) == blocks - 1;  // which begins again at 0
    __threadfence();  // after it has counted: all that the others had written
  }
  __syncthreads();
  return last;
}

}  // namespace md::cuda
