// Layer norm of the rows of x [R,C], a warp a row: the formulas are in engine/cpu/layer_norm.cpp.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"

namespace md {
namespace {

using cuda::ChunkPlace;
using cuda::Columns;
using cuda::kWarp;
using cuda::sum_of_warp;

constexpr int kRowsOfBlock = 8;

struct Row {
  __device__ Row()
      : index(static_cast<i64>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kWarp), lane(threadIdx.x % kWarp) {}
  i64 index;
  int lane;
};

struct Forward {
  i64 R, C;
  float eps;
  const float *x, *weight, *bias;
  float *y, *mean, *rstd;
};

__global__ void normalise(Forward f) {
  const Row row;
  if (row.index >= f.R) return;
  const float* const x = f.x + row.index * f.C;
  float sum = 0.F, squares = 0.F;
  for (i64 c = row.lane; c < f.C; c += kWarp) sum += x[c];
  const float mean = sum_of_warp(sum) / static_cast<float>(f.C);
  for (i64 c = row.lane; c < f.C; c += kWarp) squares += (x[c] - mean) * (x[c] - mean);
  const float rstd = 1.F / sqrtf(sum_of_warp(squares) / static_cast<float>(f.C) + f.eps);
  for (i64 c = row.lane; c < f.C; c += kWarp) f.y[row.index * f.C + c] = (x[c] - mean) * rstd * f.weight[c] + f.bias[c];
  if (row.lane != 0) return;
  f.mean[row.index] = mean;
  f.rstd[row.index] = rstd;
}

struct Backward {
  i64 R, C;
  const float *dy, *x, *weight, *mean, *rstd;
};

__global__ void input_gradient(Backward b, float* dx) {
  const Row row;
  if (row.index >= b.R) return;
  const float *const dy = b.dy + row.index * b.C, *const x = b.x + row.index * b.C;
  const float mean = b.mean[row.index], rstd = b.rstd[row.index];
  float g_sum = 0.F, gx_sum = 0.F;
  for (i64 c = row.lane; c < b.C; c += kWarp) {
    const float g = dy[c] * b.weight[c];
    g_sum += g;
    gx_sum += g * (x[c] - mean) * rstd;
  }
  const float g_mean = sum_of_warp(g_sum) / static_cast<float>(b.C);
  const float gx_mean = sum_of_warp(gx_sum) / static_cast<float>(b.C);
  for (i64 c = row.lane; c < b.C; c += kWarp)
    dx[row.index * b.C + c] = rstd * (dy[c] * b.weight[c] - g_mean - (x[c] - mean) * rstd * gx_mean);
}

/// Sums of dy * xhat and of dy.
struct ParameterTerms {
  Backward b;
  __device__ const ParameterTerms& of(i64) const { return *this; }
  __device__ void operator()(i64 at, i64 row, float (&sums)[2]) const {
    sums[0] += b.dy[at] * (b.x[at] - b.mean[row]) * b.rstd[row];
    sums[1] += b.dy[at];
  }
};

__global__ void add_partial(Columns g, const float* partial, float* dweight, float* dbias) {
  const ChunkPlace at(g);
  for (int which = 0; which < 2; ++which) {
    const double sum = cuda::add_chunks(
        g, at, [&](i64 chunk) { return static_cast<double>(partial[(chunk * 2 + which) * g.C + at.column]); });
    if (at.first) (which == 0 ? dweight : dbias)[at.column] = static_cast<float>(sum);
  }
}

dim3 blocks_of(i64 rows) { return dim3(unsigned((rows + kRowsOfBlock - 1) / kRowsOfBlock)); }

}  // namespace

void CudaBackend::layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                             const Tensor& mean, const Tensor& rstd) {
  const i64 C = weight.numel(), R = x.numel() / C;
  cuda::launch_kernel(normalise, blocks_of(R), kWarp * kRowsOfBlock, 0, cuda::runtime().compute,
                      Forward{R, C, eps, x.data(), weight.data(), bias.data(), y.data(), mean.data(), rstd.data()});
}

void CudaBackend::layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  const Columns g(x.numel() / weight.numel(), weight.numel());
  const Backward b{g.R, g.C, dy.data(), x.data(), weight.data(), mean.data(), rstd.data()};
  const Tensor partial = Tensor::empty({g.chunks, 2, g.C}, x.device());
  const cudaStream_t stream = cuda::runtime().compute;
  cuda::launch_kernel(cuda::sum_chunks<2, ParameterTerms>, g.grid(), cuda::kBlock, 0, stream, g, ParameterTerms{b},
                      partial.data());
  cuda::launch_kernel(add_partial, cuda::chunk_grid(g), cuda::chunk_block(), 0, stream, g, partial.data(),
                      dweight.data(), dbias.data());
  if (dx) cuda::launch_kernel(input_gradient, blocks_of(g.R), kWarp * kRowsOfBlock, 0, stream, b, dx.data());
}

}  // namespace md
