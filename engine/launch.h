// launch(device, outer, inner, functor): every kernel that no vendor library does better than a loop. The functor is a
// plain struct of pointers and sizes with `MD_HD void operator()(i64 outer, i64 inner) const`; `inner` runs along the
// contiguous axis (channels), so that the CPU loop vectorises and a CUDA warp reads neighbouring addresses. One source,
// both devices. REQUIRES: calls are independent: no two of them write the same address. Backward kernels gather.
#pragma once
#include <algorithm>

#include "engine/tensor.h"

#if defined(__CUDACC__) || defined(MD_CUDA_EMULATED)
#define MD_DEVICE_CODE
#include "engine/cuda/portable.h"
#define MD_HD __host__ __device__
#else
#define MD_HD
#ifdef MD_WITH_CUDA
#error "files that include engine/launch.h must be compiled by nvcc in a CUDA build (set the LANGUAGE in CMake)"
#endif
#endif

namespace md {

#ifdef MD_DEVICE_CODE
namespace cuda {

/// `rows` rows of `inner` calls from row `first` on. Their product is below 2^31: a GPU divides 32 bits much faster.
template <class F>
__global__ void run(i64 first, unsigned rows, unsigned inner, F f) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * inner; i += gridDim.x * blockDim.x) {
    f(first + i / inner, i % inner);
  }
}

/// Queues it on the compute stream, in grids of fewer than 2^31 calls.
template <class F>
void launch(i64 outer, i64 inner, const F& f) {
  constexpr i64 kMost = (i64{1} << 31) - 1, kThreads = 256;
  MD_CHECK(inner <= kMost, "launch: rows of ", inner, " elements");
  const i64 rows_at_once = kMost / inner;
  for (i64 first = 0; first < outer; first += rows_at_once) {
    const i64 rows = std::min(rows_at_once, outer - first);
    const i64 blocks = std::min((rows * inner + kThreads - 1) / kThreads, kLaunchBlocks);
    launch_kernel(run<F>, unsigned(blocks), unsigned(kThreads), 0, runtime().compute, first, unsigned(rows),
                  unsigned(inner), f);
  }
}

}  // namespace cuda
#endif

/// Calls f(o, i) for o in [0, outer) and i in [0, inner). A GPU gets the work and is not waited for.
template <class F>
void launch(Device device, i64 outer, i64 inner, const F& f) {
  if (outer <= 0 || inner <= 0) return;
#ifdef MD_DEVICE_CODE
  if (device.kind == Device::cuda) return cuda::launch(outer, inner, f);
#else
  MD_CHECK(device.kind == Device::cpu, "launch: this program was built without CUDA");
#endif
  // Threads divide whole rows; below this much work a parallel region costs more than it gains.
  [[maybe_unused]] const bool parallel = outer * inner > 8192;
#pragma omp parallel if (parallel)
  {
    const F kernel = f;  // a local copy: stores cannot alias its members, so they stay in registers
#pragma omp for schedule(static)
    for (i64 o = 0; o < outer; ++o) {
#pragma omp simd
      for (i64 i = 0; i < inner; ++i) kernel(o, i);
    }
  }
}

}  // namespace md
