// launch(device, outer, inner, functor): every kernel that no vendor library does better than a loop. The functor is a
// plain struct of pointers and sizes with `MD_HD void operator()(i64 outer, i64 inner) const`; `inner` runs along the
// contiguous axis (channels), so that the CPU loop vectorises and a CUDA warp reads neighbouring addresses. One source,
// both devices. REQUIRES: calls are independent: no two of them write the same address. Backward kernels gather.
#pragma once
#include "engine/tensor.h"

#ifdef __CUDACC__
#define MD_HD __host__ __device__
#else
#define MD_HD
#ifdef MD_WITH_CUDA
#error "files that include engine/launch.h must be compiled by nvcc in a CUDA build (set the LANGUAGE in CMake)"
#endif
#endif

namespace md {

#ifdef __CUDACC__
namespace cuda {
void* current_stream();  // engine/cuda; cudaStream_t
void check_launch();     // throws md::Error when the last launch failed

template <class F>
__global__ void run(i64 outer, i64 inner, F f) {
  const i64 n = outer * inner;
  for (i64 i = blockIdx.x * i64(blockDim.x) + threadIdx.x; i < n; i += i64(gridDim.x) * blockDim.x) {
    f(i / inner, i % inner);
  }
}
}  // namespace cuda
#endif

template <class F>
void launch(Device device, i64 outer, i64 inner, const F& f) {
  if (outer <= 0 || inner <= 0) return;
#ifdef __CUDACC__
  if (device.kind == Device::cuda) {
    const i64 blocks = (outer * inner + 255) / 256;
    cuda::run<<<unsigned(blocks < 65535 ? blocks : 65535), 256, 0, cudaStream_t(cuda::current_stream())>>>(outer, inner,
                                                                                                           f);
    cuda::check_launch();
    return;
  }
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
