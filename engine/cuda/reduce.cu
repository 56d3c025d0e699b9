// Sum along one axis of [outer, axis, inner], plain or weighted, and the sums of many tensors at once. Fixed chunks in
// float, chunks in double.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"
#include "engine/launch_many.h"

namespace md {
namespace {

using cuda::Pack;

template <int kLanes>
struct Plain {
  static constexpr int kAtOnce = 8;
  const float* x;
  __device__ const Plain& of(i64) const { return *this; }
  __device__ Pack<kLanes> load(i64 at, i64) const { return cuda::load<kLanes>(x + at); }
  __device__ void add(const Pack<kLanes>& v, float (&sums)[1][kLanes]) const {
    for (int lane = 0; lane < kLanes; ++lane) sums[0][lane] += v.lane[lane];
  }
};

template <int kLanes>
struct Weighted {
  static constexpr int kAtOnce = 4;
  const float *x, *factor;
  struct Both {
    Pack<kLanes> x, factor;
  };
  __device__ const Weighted& of(i64) const { return *this; }
  __device__ Both load(i64 at, i64) const { return {cuda::load<kLanes>(x + at), cuda::load<kLanes>(factor + at)}; }
  __device__ void add(const Both& v, float (&sums)[1][kLanes]) const {
    for (int lane = 0; lane < kLanes; ++lane) sums[0][lane] += v.x.lane[lane] * v.factor.lane[lane];
  }
};

/// y [outer,C].
struct WriteSum {
  float* y;
  i64 channels;
  __device__ void operator()(i64 outer, i64 column, const double (&sum)[1]) const {
    y[outer * channels + column] = static_cast<float>(sum[0]);
  }
};

constexpr i64 kPart = 16384;  // elements of a block of sum_parts
struct Summed {
  const float* x;
  i64 count;
  MD_HD i64 parts() const { return (count + kPart - 1) / kPart; }
};

/// sums [many.count]; partial has a number for each block.
__global__ void sum_parts(Many<Summed> many, float* partial, float* sums) {
  const int k = many.slice_of(blockIdx.x);
  const Summed& it = many.slices[k];
  const i64 begin = (blockIdx.x - many.first_row[k]) * kPart, end = begin + kPart < it.count ? begin + kPart : it.count;
  float sum = 0.F;
  for (i64 i = begin + threadIdx.x; i < end; i += cuda::kBlock) sum += it.x[i];
  sum = cuda::sum_of_block(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
  if (!cuda::last_of_group(0, gridDim.x)) return;
  for (int slice = int(threadIdx.x); slice < many.count; slice += cuda::kBlock) {
    double total = 0;
    for (i64 part = 0; part < many.slices[slice].parts(); ++part)
      total += static_cast<double>(partial[many.first_row[slice] + part]);
    sums[slice] = static_cast<float>(total);
  }
}

}  // namespace

void CudaBackend::reduce_sum(const Tensor& x, const Tensor& factor, i64 outer, i64 axis, i64 inner, const Tensor& y) {
  if (y.numel() == 0) return;
  if (axis == 0) return fill(y, 0.F);
  const WriteSum write{y.data(), inner};
  cuda::with_packs(inner, {x.data(), factor ? factor.data() : nullptr}, [&]<int kLanes>() {
    if (factor) {
      cuda::launch_sums<1, kLanes>(x.device(), outer, axis, inner, Weighted<kLanes>{x.data(), factor.data()}, write);
    } else {
      cuda::launch_sums<1, kLanes>(x.device(), outer, axis, inner, Plain<kLanes>{x.data()}, write);
    }
  });
}

void CudaBackend::sum_each(const std::vector<Tensor>& x, const Tensor& sums) {
  std::vector<Summed> all;
  for (const Tensor& t : x) all.push_back(t ? Summed{t.data(), t.numel()} : Summed{nullptr, 0});
  float* y = sums.data();
  in_groups(
      all, [](const Summed& s) { return s.parts(); },
      [&](const Many<Summed>& many, i64 parts) {
        const i64 blocks = std::max<i64>(1, parts);  // of nothing the sum is 0
        const Tensor partial = Tensor::empty({blocks}, sums.device());
        cuda::launch_kernel(sum_parts, dim3(unsigned(blocks)), cuda::kBlock, 0, cuda::runtime().compute, many,
                            partial.data(), y);
        y += many.count;
      });
}

}  // namespace md
