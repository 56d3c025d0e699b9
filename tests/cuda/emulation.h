// The emulated grid, for files with kernels that g++ compiles (engine/cuda/portable.h includes this): CUDA's words for
// what the engine's kernels use, and emulate(), which runs a grid on one host thread, block after block, a fiber for
// every CUDA thread. Threads of a warp run until they wait; warps run in a chosen order as far as they can, so that a
// missing barrier shows. Wrong use of barriers and collectives fails the launch. The one atomic counts which block
// comes last: the engine's sums have a fixed order. REQUIRES: one host thread launches.
#pragma once
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>

#undef __host__
#undef __device__
#undef __global__
#undef __shared__
#undef __constant__
#undef __launch_bounds__
#undef __forceinline__
#define __host__
#define __device__
#define __global__
#define __shared__ static  // one block runs at a time
#define __constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))

// Of the running CUDA thread.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace md::cuda {

constexpr std::int64_t kLaunchBlocks = 32;

/// Which warp goes first, and which lane and block.
enum class WarpOrder : std::uint8_t { forward, reverse, shuffled };
/// Before the first call it is what the environment variable MD_WARP_ORDER says, else forward.
void set_warp_order(WarpOrder);

/// Queues a grid: thread() runs once for each of its threads. An impossible grid fails at once, wrong use when it runs.
cudaError_t emulate(cudaStream_t, dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> thread);
/// Dynamic shared memory of the running block; every block finds it filled with 0xFF: NaN.
void* emulated_shared();

/// Waits for the other threads of the block.
void wait_for_block(const std::source_location&);

/// Waits for the lanes of `mask`, then knows the `value` of each. `kind` tells collectives apart that must not meet.
struct LaneValues {
  const std::uint64_t* of;  // [32]
  unsigned present;         // lanes of the mask that take part
  unsigned lane;            // this one
};
LaneValues exchange(const char* kind, unsigned mask, std::uint64_t value);

/// The value of lane `source`, of this lane if that is outside of its part of the warp, and NaN if it takes no part.
template <class T>
T shuffled(const char* kind, unsigned mask, T value, int source, bool inside) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const LaneValues lanes = exchange(kind, mask, bits);
  if (!inside) return value;
  constexpr std::uint64_t kNothing = ~std::uint64_t{0};
  bits = lanes.present >> source & 1U ? lanes.of[source] : kNothing;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

inline int lane() {
  return int((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % unsigned(warpSize));
}
inline int part_begin(int width) { return lane() / width * width; }

}  // namespace md::cuda

inline void __syncthreads(const std::source_location& here = std::source_location::current()) {
  md::cuda::wait_for_block(here);
}
inline void __threadfence() {}  // one thread runs at a time
inline unsigned atomicInc(unsigned* count, unsigned last) {
  const unsigned before = *count;
  *count = before >= last ? 0 : before + 1;
  return before;
}
inline void __syncwarp(unsigned mask = ~0U) { md::cuda::exchange("__syncwarp", mask, 0); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  return md::cuda::shuffled("__shfl_sync", mask, value, md::cuda::part_begin(width) + source % width, true);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize) {
  const int source = md::cuda::lane() ^ lanes;
  return md::cuda::shuffled("__shfl_xor_sync", mask, value, source, source < md::cuda::part_begin(width) + width);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = warpSize) {
  const int source = md::cuda::lane() + int(lanes);
  return md::cuda::shuffled("__shfl_down_sync", mask, value, source, source < md::cuda::part_begin(width) + width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = warpSize) {
  const int source = md::cuda::lane() - int(lanes);
  return md::cuda::shuffled("__shfl_up_sync", mask, value, source, source >= md::cuda::part_begin(width));
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const md::cuda::LaneValues lanes = md::cuda::exchange("__ballot_sync", mask, predicate != 0);
  unsigned votes = 0;
  for (unsigned i = 0; i < unsigned(warpSize); ++i) {
    if (lanes.present >> i & 1U && lanes.of[i]) votes |= 1U << i;
  }
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline float rsqrtf(float x) { return 1.F / std::sqrt(x); }
