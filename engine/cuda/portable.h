// What a file with kernels includes: the same source is compiled by nvcc for a GPU and by g++ for the emulated grid of
// the tests. Instead of <<<>>> it says launch_kernel(kernel, grid, block, shared_bytes, stream, args...), and
// MD_DYNAMIC_SHARED(T, name) instead of extern __shared__. For the emulation, MD_CUDA_EMULATED is the name of a header
// (in quotes) that brings threadIdx, __syncthreads, __shfl_*_sync and so on, and in md::cuda
//   cudaError_t emulate(cudaStream_t, dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> thread);
//   void* emulated_shared();  // dynamic shared memory of the running block
//   constexpr i64 kLaunchBlocks;  // most blocks of launch(), whose threads loop; emulated threads are dear
#pragma once
#ifdef MD_CUDA_EMULATED
#include <cuda_runtime_api.h>

#include <functional>

#include MD_CUDA_EMULATED
#define MD_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::md::cuda::emulated_shared())
#else
#include <cuda_runtime.h>
#define MD_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char md_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(md_dynamic_shared)
#endif

#include "engine/cuda/runtime.h"

namespace md::cuda {

#ifndef MD_CUDA_EMULATED
constexpr std::int64_t kLaunchBlocks = 65536;
#endif

template <class... Parameters, class... Arguments>
void launch_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                   const Arguments&... arguments) {
#ifdef MD_CUDA_EMULATED
  // Copies of the arguments: the host may be far ahead when the grid runs.
  MD_CUDA(emulate(stream, grid, block, shared_bytes,
                  [kernel, ... copies = static_cast<Parameters>(arguments)] { kernel(copies...); }));
#else
  constexpr std::size_t kWithoutAsking = 46 * 1024;  // bytes: 48 KiB, of which static memory takes its part
  if (shared_bytes > kWithoutAsking)
    MD_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)));
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  MD_CUDA(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
#endif
}

/// Throws where this program has no code for the GPU in use.
template <class... Parameters>
void require_code([[maybe_unused]] void (*kernel)(Parameters...)) {
#ifndef MD_CUDA_EMULATED
  cudaFuncAttributes attributes{};
  MD_CUDA(cudaFuncGetAttributes(&attributes, kernel));
#endif
}

}  // namespace md::cuda
