// Layer norm of the rows of x [R,C], a warp a row: the formulas are in engine/cpu/layer_norm.cpp. A lane keeps its part
// of the row in registers, so that memory is read once.
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/warp.h"

namespace md {
namespace {

using cuda::kWarp;
using cuda::load;
using cuda::Pack;
using cuda::store;
using cuda::sum_of_warp;

constexpr int kRowsOfBlock = 8;

/// What a lane has of a row: every 32nd pack, at most kPacks, or any number of them (kPacks 0).
template <int kLanes, int kPacks>
struct RowOfWarp {
  __device__ explicit RowOfWarp(i64 channels)
      : index(static_cast<i64>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kWarp),
        C(channels),
        lane(static_cast<int>(threadIdx.x) % kWarp) {}

  /// body(i, c) for the packs of the lane, which begin at channel c.
  template <class Body>
  __device__ void each_pack(const Body& body) const {
    if constexpr (kPacks > 0) {
      for (int i = 0; i < kPacks; ++i) {
        const int c = (i * kWarp + lane) * kLanes;
        if (c < C) body(i, c);
      }
    } else {
      for (i64 c = lane * kLanes; c < C; c += kWarp * kLanes) body(0, c);
    }
  }

  i64 index, C;
  int lane;
};

/// A row that the lanes have read; where they cannot hold it, they read it again each time.
template <int kLanes, int kPacks>
struct Held {
  const float* row;
  Pack<kLanes> packs[kPacks];

  __device__ Held(const RowOfWarp<kLanes, kPacks>& of, const float* map) : row(map + of.index * of.C) {
    of.each_pack([&](int i, i64 c) { packs[i] = load<kLanes>(row + c); });
  }
  __device__ const Pack<kLanes>& operator()(int i, i64) const { return packs[i]; }
};
template <int kLanes>
struct Held<kLanes, 0> {
  const float* row;
  __device__ Held(const RowOfWarp<kLanes, 0>& of, const float* map) : row(map + of.index * of.C) {}
  __device__ Pack<kLanes> operator()(int, i64 c) const { return load<kLanes>(row + c); }
};

struct Forward {
  i64 R, C;
  float eps;
  const float *x, *weight, *bias;
  float *y, *mean, *rstd;
};

template <int kLanes, int kPacks>
__global__ void normalise(Forward f) {
  const RowOfWarp<kLanes, kPacks> row(f.C);
  if (row.index >= f.R) return;
  const Held<kLanes, kPacks> x(row, f.x);
  float sum = 0.F, squares = 0.F;
  row.each_pack([&](int i, i64 c) {
    for (const float v : x(i, c).lane) sum += v;
  });
  const float mean = sum_of_warp(sum) / static_cast<float>(f.C);
  row.each_pack([&](int i, i64 c) {
    for (const float v : x(i, c).lane) squares += (v - mean) * (v - mean);
  });
  const float rstd = 1.F / sqrtf(sum_of_warp(squares) / static_cast<float>(f.C) + f.eps);
  row.each_pack([&](int i, i64 c) {
    const Pack<kLanes> v = x(i, c), weight = load<kLanes>(f.weight + c), bias = load<kLanes>(f.bias + c);
    Pack<kLanes> y;
    for (int lane = 0; lane < kLanes; ++lane)
      y.lane[lane] = (v.lane[lane] - mean) * rstd * weight.lane[lane] + bias.lane[lane];
    store(f.y + row.index * f.C + c, y);
  });
  if (row.lane != 0) return;
  f.mean[row.index] = mean;
  f.rstd[row.index] = rstd;
}

struct Backward {
  i64 R, C;
  const float *dy, *x, *weight, *mean, *rstd;
};

template <int kLanes, int kPacks>
__global__ void input_gradient(Backward b, float* dx) {
  const RowOfWarp<kLanes, kPacks> row(b.C);
  if (row.index >= b.R) return;
  const Held<kLanes, kPacks> dy(row, b.dy), x(row, b.x);
  const float mean = b.mean[row.index], rstd = b.rstd[row.index];
  float g_sum = 0.F, gx_sum = 0.F;
  row.each_pack([&](int i, i64 c) {
    const Pack<kLanes> d = dy(i, c), v = x(i, c), weight = load<kLanes>(b.weight + c);
    for (int lane = 0; lane < kLanes; ++lane) {
      const float g = d.lane[lane] * weight.lane[lane];
      g_sum += g;
      gx_sum += g * (v.lane[lane] - mean) * rstd;
    }
  });
  const float g_mean = sum_of_warp(g_sum) / static_cast<float>(b.C);
  const float gx_mean = sum_of_warp(gx_sum) / static_cast<float>(b.C);
  row.each_pack([&](int i, i64 c) {
    const Pack<kLanes> d = dy(i, c), v = x(i, c), weight = load<kLanes>(b.weight + c);
    Pack<kLanes> out;
    for (int lane = 0; lane < kLanes; ++lane)
      out.lane[lane] = rstd * (d.lane[lane] * weight.lane[lane] - g_mean - (v.lane[lane] - mean) * rstd * gx_mean);
    store(dx + row.index * b.C + c, out);
  });
}

/// Sums of dy * xhat and of dy.
template <int kLanes>
struct ParameterTerms {
  static constexpr int kAtOnce = 4;
  Backward b;

  struct Loaded {
    Pack<kLanes> dy, x;
    float mean, rstd;
  };
  __device__ const ParameterTerms& of(i64) const { return *this; }
  __device__ Loaded load(i64 at, i64 row) const {
    return {cuda::load<kLanes>(b.dy + at), cuda::load<kLanes>(b.x + at), b.mean[row], b.rstd[row]};
  }
  __device__ void add(const Loaded& v, float (&sums)[2][kLanes]) const {
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[0][lane] += v.dy.lane[lane] * (v.x.lane[lane] - v.mean) * v.rstd;
      sums[1][lane] += v.dy.lane[lane];
    }
  }
};

struct WriteGradients {
  float *dweight, *dbias;
  __device__ void operator()(i64, i64 c, const double (&sums)[2]) const {
    dweight[c] = static_cast<float>(sums[0]);
    dbias[c] = static_cast<float>(sums[1]);
  }
};

dim3 blocks_of(i64 rows) { return dim3(unsigned((rows + kRowsOfBlock - 1) / kRowsOfBlock)); }

/// Calls fn.operator()<kLanes, kPacks>() for rows of these maps: packs of four, held where they are few enough.
template <class Fn>
void with_rows(i64 channels, std::initializer_list<const float*> maps, const Fn& fn) {
  constexpr i64 kOfWarp = i64{4} * kWarp;
  cuda::with_packs(channels, maps, [&]<int kLanes>() {
    if constexpr (kLanes == 4) {
      if (channels <= 2 * kOfWarp) return fn.template operator()<4, 2>();
      if (channels <= 3 * kOfWarp) return fn.template operator()<4, 3>();
      if (channels <= 6 * kOfWarp) return fn.template operator()<4, 6>();
      if (channels <= 12 * kOfWarp) return fn.template operator()<4, 12>();
    }
    fn.template operator()<kLanes, 0>();
  });
}

}  // namespace

void CudaBackend::layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                             const Tensor& mean, const Tensor& rstd) {
  const i64 C = weight.numel(), R = x.numel() / C;
  const Forward f{R, C, eps, x.data(), weight.data(), bias.data(), y.data(), mean.data(), rstd.data()};
  with_rows(C, {f.x, f.weight, f.bias, f.y}, [&]<int kLanes, int kPacks>() {
    cuda::launch_kernel(normalise<kLanes, kPacks>, blocks_of(R), kWarp * kRowsOfBlock, 0, cuda::runtime().compute, f);
  });
}

void CudaBackend::layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  const i64 C = weight.numel(), R = x.numel() / C;
  const Backward b{R, C, dy.data(), x.data(), weight.data(), mean.data(), rstd.data()};
  cuda::with_packs(C, {b.dy, b.x}, [&]<int kLanes>() {
    cuda::launch_sums<2, kLanes>(x.device(), 1, R, C, ParameterTerms<kLanes>{b},
                                 WriteGradients{dweight.data(), dbias.data()});
  });
  if (!dx) return;
  with_rows(C, {b.dy, b.x, b.weight, dx.data()}, [&]<int kLanes, int kPacks>() {
    cuda::launch_kernel(input_gradient<kLanes, kPacks>, blocks_of(R), kWarp * kRowsOfBlock, 0, cuda::runtime().compute,
                        b, dx.data());
  });
}

}  // namespace md
