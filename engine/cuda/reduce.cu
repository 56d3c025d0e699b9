// Sum along one axis of [outer, axis, inner], plain or weighted, and the sums of many tensors at once. Fixed chunks in
// float, chunks in double.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/launch_many.h"

namespace md {
namespace {

using cuda::ChunkPlace;
using cuda::Columns;
using cuda::Place;

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

constexpr i64 kPart = 16384;  // elements of a block of sum_parts
struct Summed {
  const float* x;
  i64 count;
  MD_HD i64 parts() const { return (count + kPart - 1) / kPart; }
};

__global__ void sum_parts(Many<Summed> many, Columns side_by_side, float* partial) {
  const int k = many.slice_of(blockIdx.x);
  const Summed& it = many.slices[k];
  const i64 begin = (blockIdx.x - many.first_row[k]) * kPart, end = begin + kPart < it.count ? begin + kPart : it.count;
  float sum = 0.F;
  for (i64 i = begin + threadIdx.x; i < end; i += blockDim.x) sum += it.x[i];
  sum = cuda::add_side_by_side(side_by_side, Place(side_by_side), sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

struct AddParts {
  Many<Summed> many;
  const float* partial;
  float* sums;
  MD_HD void operator()(i64, i64 k) const {
    double sum = 0;
    for (i64 part = 0; part < many.slices[k].parts(); ++part)
      sum += static_cast<double>(partial[many.first_row[k] + part]);
    sums[k] = static_cast<float>(sum);
  }
};

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

void CudaBackend::sum_each(const std::vector<Tensor>& x, const Tensor& sums) {
  std::vector<Summed> all;
  for (const Tensor& t : x) all.push_back(t ? Summed{t.data(), t.numel()} : Summed{nullptr, 0});
  float* y = sums.data();
  in_groups(
      all, [](const Summed& s) { return s.parts(); },
      [&](const Many<Summed>& many, i64 parts) {
        const Tensor partial = Tensor::empty({parts}, sums.device());
        if (parts > 0)
          cuda::launch_kernel(sum_parts, dim3(unsigned(parts)), cuda::kBlock, 0, cuda::runtime().compute, many,
                              Columns(1, 1), partial.data());
        launch(sums.device(), 1, many.count, AddParts{many, partial.data(), y});
        y += many.count;
      });
}

}  // namespace md
