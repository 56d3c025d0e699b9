// Batch norm fused with its activation, over the rows of x [R,C]: the formulas are in engine/cpu/batch_norm.cpp. Two
// passes each way over memory, the statistics (or the two gradient sums) and the map itself; only x is saved.
#include "engine/batch_norm_formula.h"
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/fused_activation.h"

namespace md {
namespace {

using cuda::ChunkPlace;
using cuda::Columns;
using cuda::Place;

/// partial [chunks,2,C]: mean of each chunk and the sum of squared deviations from it, in two looks (the second finds
/// the chunk in the cache).
__global__ void chunk_moments(Columns g, const float* x, float* partial) {
  const Place at(g);
  float sum = 0.F, m2 = 0.F;
  at.for_rows(g, [&](i64 offset, i64) { sum += x[offset]; });
  const float mean = cuda::add_side_by_side(g, at, sum) / static_cast<float>(at.end - at.begin);
  at.for_rows(g, [&](i64 offset, i64) {
    const float d = x[offset] - mean;
    m2 += d * d;
  });
  m2 = cuda::add_side_by_side(g, at, m2);
  if (!at.active || at.row != 0) return;
  partial[(blockIdx.y * 2 + 0) * g.C + at.column] = mean;
  partial[(blockIdx.y * 2 + 1) * g.C + at.column] = m2;
}

struct Statistics {
  float *mean, *rstd, *running_mean, *running_variance;  // [C]
  int* batches;                                          // or null
  float momentum;
  __device__ void blend(float& old, double batch) const { old = batch_norm_running(old, batch, momentum); }
};

/// mean = sum n_k mean_k / R;  M2 = sum m2_k + n_k (mean_k - mean)^2   (Chan et al.)
__global__ void merge_moments(Columns g, const float* partial, double eps, Statistics out) {
  const ChunkPlace at(g);
  const auto rows = [&](i64 chunk) {
    const i64 left = g.R - chunk * g.chunk;
    return static_cast<double>(left < g.chunk ? left : g.chunk);
  };
  const auto moment = [&](i64 chunk, int which) {
    return static_cast<double>(partial[(chunk * 2 + which) * g.C + at.column]);
  };
  const double n = static_cast<double>(g.R);
  const double mean = cuda::add_chunks(g, at, [&](i64 chunk) { return rows(chunk) * moment(chunk, 0); }) / n;
  const double m2 = cuda::add_chunks(g, at, [&](i64 chunk) {
    const double apart = moment(chunk, 0) - mean;
    return moment(chunk, 1) + rows(chunk) * apart * apart;
  });
  if (!at.first) return;
  out.mean[at.column] = static_cast<float>(mean);
  out.rstd[at.column] = static_cast<float>(1.0 / sqrt(m2 / n + eps));
  out.blend(out.running_mean[at.column], mean);
  out.blend(out.running_variance[at.column], unbiased_variance(m2, n));
  if (out.batches && at.column == 0) ++*out.batches;
}

struct Affine {  // [C]
  const float *weight, *bias, *mean, *rstd;
  __device__ BatchNormAffine of(i64 c) const { return batch_norm_affine(weight[c], bias[c], mean[c], rstd[c]); }
};

template <Act kAct>
__global__ void normalise(Columns g, Affine affine, const float* x, float* y) {
  const Place at(g);
  if (!at.active) return;
  const BatchNormAffine z = affine.of(at.column);
  at.for_rows(g, [&](i64 offset, i64) { y[offset] = activate<kAct>(x[offset] * z.slope + z.offset); });
}

/// Sums of dz and of dz * (x - mean).
template <Act kAct>
struct GradientTerms {
  Affine affine;
  const float *dy, *x;

  struct OfColumn {
    BatchNormAffine z;
    float mean;
    const float *dy, *x;
    __device__ void operator()(i64 at, i64, float (&sums)[2]) const {
      const float v = x[at], dz = activation_gradient<kAct>(v * z.slope + z.offset, dy[at]);
      sums[0] += dz;
      sums[1] += dz * (v - mean);
    }
  };
  __device__ OfColumn of(i64 c) const { return {affine.of(c), affine.mean[c], dy, x}; }
};

/// Those of a BatchNormGradient.
struct Coefficients {
  float *dz, *x, *one;  // [C]
};

__global__ void merge_gradient_sums(Columns g, const float* partial, Affine affine, bool batch_statistics,
                                    Coefficients k, float* dweight, float* dbias) {
  const ChunkPlace at(g);
  const auto total = [&](int which) {
    return cuda::add_chunks(
        g, at, [&](i64 chunk) { return static_cast<double>(partial[(chunk * 2 + which) * g.C + at.column]); });
  };
  const double sum_dz = total(0), sum_dz_x = total(1);
  if (!at.first) return;
  const i64 c = at.column;
  const BatchNormGradient of_channel =
      batch_norm_gradient(sum_dz, sum_dz_x, static_cast<double>(affine.weight[c]), static_cast<double>(affine.mean[c]),
                          static_cast<double>(affine.rstd[c]), static_cast<double>(g.R), batch_statistics);
  dbias[c] = of_channel.dbias;
  dweight[c] = of_channel.dweight;
  k.dz[c] = of_channel.k_dz;
  k.x[c] = of_channel.k_x;
  k.one[c] = of_channel.k_1;
}

template <Act kAct>
__global__ void input_gradient(Columns g, Affine affine, Coefficients k, const float* dy, const float* x, float* dx) {
  const Place at(g);
  if (!at.active) return;
  const BatchNormAffine z = affine.of(at.column);
  const float k_dz = k.dz[at.column], k_x = k.x[at.column], k_1 = k.one[at.column];
  at.for_rows(g, [&](i64 offset, i64) {
    const float v = x[offset], dz = activation_gradient<kAct>(v * z.slope + z.offset, dy[offset]);
    dx[offset] = k_dz * dz + (k_x * v + k_1);
  });
}

Columns columns_of(const Tensor& x, const Tensor& per_channel) {
  return {x.numel() / per_channel.numel(), per_channel.numel()};
}

}  // namespace

void CudaBackend::batch_norm_statistics(const BatchNormSpec& spec, const Tensor& x, const RunningStatistics& running,
                                        const Tensor& mean, const Tensor& rstd) {
  const Columns g = columns_of(x, mean);
  const Tensor partial = Tensor::empty({g.chunks, 2, g.C}, x.device());
  const cudaStream_t stream = cuda::runtime().compute;
  cuda::launch_kernel(chunk_moments, g.grid(), cuda::kBlock, 0, stream, g, x.data(), partial.data());
  const Statistics out{mean.data(),
                       rstd.data(),
                       running.mean.data(),
                       running.variance.data(),
                       running.batches ? running.batches.data<std::int32_t>() : nullptr,
                       running.momentum};
  cuda::launch_kernel(merge_moments, cuda::chunk_grid(g), cuda::chunk_block(), 0, stream, g, partial.data(),
                      static_cast<double>(spec.eps), out);
}

void CudaBackend::batch_norm(const BatchNormSpec& spec, const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Tensor& mean, const Tensor& rstd, const Tensor& y) {
  const Columns g = columns_of(x, mean);
  const Affine affine{weight.data(), bias.data(), mean.data(), rstd.data()};
  with_activation(spec, [&]<Act kAct>() {
    cuda::launch_kernel(normalise<kAct>, g.grid(), cuda::kBlock, 0, cuda::runtime().compute, g, affine, x.data(),
                        y.data());
  });
}

void CudaBackend::batch_norm_backward(const BatchNormSpec& spec, bool batch_statistics, const Tensor& dy,
                                      const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  const Columns g = columns_of(x, mean);
  const Affine affine{weight.data(), bias.data(), mean.data(), rstd.data()};
  const Tensor partial = Tensor::empty({g.chunks, 2, g.C}, x.device());
  const Tensor coefficients = Tensor::empty({3, g.C}, x.device());
  const Coefficients k{coefficients.data(), coefficients.data() + g.C, coefficients.data() + 2 * g.C};
  const cudaStream_t stream = cuda::runtime().compute;
  with_activation(spec, [&]<Act kAct>() {
    cuda::launch_kernel(cuda::sum_chunks<2, GradientTerms<kAct>>, g.grid(), cuda::kBlock, 0, stream, g,
                        GradientTerms<kAct>{affine, dy.data(), x.data()}, partial.data());
    cuda::launch_kernel(merge_gradient_sums, cuda::chunk_grid(g), cuda::chunk_block(), 0, stream, g, partial.data(),
                        affine, batch_statistics, k, dweight.data(), dbias.data());
    if (!dx) return;
    cuda::launch_kernel(input_gradient<kAct>, g.grid(), cuda::kBlock, 0, stream, g, affine, k, dy.data(), x.data(),
                        dx.data());
  });
}

}  // namespace md
