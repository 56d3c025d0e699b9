// Sum along one axis of [outer, axis, inner], plain or weighted. Fixed chunks in float, chunks in double.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"

namespace md {
namespace {

using cuda::ChunkPlace;
using cuda::Columns;

struct Plain {
  const float* x;
  __device__ const Plain& of(i64) const { return *this; }
  __device__ void operator()(i64 at, i64, float (&sums)[1]) const { sums[0] += x[at]; }
};

struct Weighted {
  const float *x, *factor;
  __device__ const Weighted& of(i64) const { return *this; }
  __device__ void operator()(i64 at, i64, float (&sums)[1]) const { sums[0] += x[at] * factor[at]; }
};

__global__ void add_partial(Columns g, const float* partial, float* y) {
  const ChunkPlace at(g);
  const double sum = cuda::add_chunks(
      g, at, [&](i64 chunk) { return static_cast<double>(partial[(at.outer * g.chunks + chunk) * g.C + at.column]); });
  if (at.first) y[at.outer * g.C + at.column] = static_cast<float>(sum);
}

}  // namespace

void CudaBackend::reduce_sum(const Tensor& x, const Tensor& factor, i64 outer, i64 axis, i64 inner, const Tensor& y) {
  if (y.numel() == 0) return;
  const Columns g(axis, inner);
  if (axis == 0) return fill(y, 0.F);
  const Tensor partial = g.chunks == 1 ? y : Tensor::empty({outer, g.chunks, inner}, x.device());
  const cudaStream_t stream = cuda::runtime().compute;
  if (factor) {
    cuda::launch_kernel(cuda::sum_chunks<1, Weighted>, g.grid(outer), cuda::kBlock, 0, stream, g,
                        Weighted{x.data(), factor.data()}, partial.data());
  } else {
    cuda::launch_kernel(cuda::sum_chunks<1, Plain>, g.grid(outer), cuda::kBlock, 0, stream, g, Plain{x.data()},
                        partial.data());
  }
  if (g.chunks == 1) return;
  cuda::launch_kernel(add_partial, cuda::chunk_grid(g, outer), cuda::chunk_block(), 0, stream, g, partial.data(),
                      y.data());
}

}  // namespace md
