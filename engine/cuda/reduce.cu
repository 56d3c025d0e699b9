// Sum along one axis of [outer, axis, inner], plain, weighted or of what an activation's gradient makes, and the sums
// of many tensors at once. Fixed chunks in float, chunks in double.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"
#include "engine/curves.h"
#include "engine/launch_many.h"

namespace md {
namespace {

using cuda::Pack;

template <class T, int kLanes>
using Plain = cuda::PlainTerms<T, kLanes, 8>;

template <class T, int kLanes>
struct Weighted {
  static constexpr int kAtOnce = 4;
  const T *x, *factor;
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

template <class T>
struct WriteMean {
  T* y;
  i64 channels;
  double rows;
  __device__ void operator()(i64 outer, i64 column, const double (&sum)[1]) const {
    y[outer * channels + column] = static_cast<float>(sum[0] / rows);
  }
};

/// dz = dy * act'(z) from y, which goes to memory on the way, and its sum.
template <class Curve, class T, int kLanes>
struct ActivationTerms {
  static constexpr int kAtOnce = 4;
  Curve curve;
  const T *dy, *y;
  T* dz;
  struct Loaded {
    Pack<kLanes> dy, y;
    i64 at;
  };
  __device__ const ActivationTerms& of(i64) const { return *this; }
  __device__ Loaded load(i64 at, i64) const { return {cuda::load<kLanes>(dy + at), cuda::load<kLanes>(y + at), at}; }
  __device__ void add(const Loaded& v, float (&sums)[1][kLanes]) const {
    Pack<kLanes> made;
    for (int lane = 0; lane < kLanes; ++lane) {
      made.lane[lane] = v.dy.lane[lane] * curve.slope(v.y.lane[lane]);
      sums[0][lane] += made.lane[lane];
    }
    store(dz + v.at, made);
  }
};

template <class Curve>
void sum_before_activation(const Curve& curve, const Tensor& dy, const Tensor& y, const Tensor& dz,
                           const Tensor& dbias) {
  const i64 channels = dbias.numel(), rows = dy.numel() / channels;
  with_storage(dy.dtype(), [&](auto storage) {
    using T = decltype(storage);
    cuda::with_packs(channels, {dy.data<T>(), y.data<T>(), dz.data<T>()}, [&]<int kLanes>() {
      cuda::launch_sums<1, kLanes>(dy.device(), 1, rows, channels,
                                   ActivationTerms<Curve, T, kLanes>{curve, dy.data<T>(), y.data<T>(), dz.data<T>()},
                                   WriteSum{dbias.data(), channels});
    });
  });
}

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
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const T *const of_x = x.data<T>(), *const of_factor = factor ? factor.data<T>() : nullptr;
    cuda::with_packs(inner, {of_x, of_factor}, [&]<int kLanes>() {
      if (factor) {
        cuda::launch_sums<1, kLanes>(x.device(), outer, axis, inner, Weighted<T, kLanes>{of_x, of_factor}, write);
      } else {
        cuda::launch_sums<1, kLanes>(x.device(), outer, axis, inner, Plain<T, kLanes>{of_x}, write);
      }
    });
  });
}

bool CudaBackend::reduce_mean(const Tensor& x, i64 outer, i64 axis, i64 inner, const Tensor& y) {
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    cuda::with_packs(inner, {x.data<T>()}, [&]<int kLanes>() {
      cuda::launch_sums<1, kLanes>(x.device(), outer, axis, inner, Plain<T, kLanes>{x.data<T>()},
                                   WriteMean<T>{y.data<T>(), inner, static_cast<double>(axis)});
    });
  });
  return true;
}

/// The activations whose slope y tells.
bool CudaBackend::activation_backward(const Activation& act, const Tensor& dy, const Tensor& y, const Tensor& dz,
                                      const Tensor& dbias) {
  switch (act.kind) {
    case Act::leaky_relu:
      return sum_before_activation(LeakyRelu{act.slope}, dy, y, dz, dbias), true;
    case Act::elu:
      return sum_before_activation(Elu{}, dy, y, dz, dbias), true;
    case Act::sigmoid:
      return sum_before_activation(Sigmoid{}, dy, y, dz, dbias), true;
    default:
      return false;
  }
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
