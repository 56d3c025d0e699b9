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
  __device__ RowOfWarp(i64 channels, i64 row) : index(row), C(channels), lane(static_cast<int>(threadIdx.x) % kWarp) {}

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
template <class T, int kLanes, int kPacks>
struct Held {
  const T* row;
  Pack<kLanes> packs[kPacks];

  __device__ Held(const RowOfWarp<kLanes, kPacks>& of, const T* map) : row(map + of.index * of.C) {
    of.each_pack([&](int i, i64 c) { packs[i] = load<kLanes>(row + c); });
  }
  __device__ const Pack<kLanes>& operator()(int i, i64) const { return packs[i]; }
};
template <class T, int kLanes>
struct Held<T, kLanes, 0> {
  const T* row;
  __device__ Held(const RowOfWarp<kLanes, 0>& of, const T* map) : row(map + of.index * of.C) {}
  __device__ Pack<kLanes> operator()(int, i64 c) const { return load<kLanes>(row + c); }
};

template <class T>
struct Forward {
  i64 R, C;
  float eps;
  const T* x;
  const float *weight, *bias;
  T* y;
  float *mean, *rstd;
};

template <class T, int kLanes, int kPacks>
__global__ void normalise(Forward<T> f) {
  const RowOfWarp<kLanes, kPacks> row(f.C, static_cast<i64>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kWarp);
  if (row.index >= f.R) return;
  const Held<T, kLanes, kPacks> x(row, f.x);
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

template <class T>
struct Backward {
  i64 R, C;
  const T *dy, *x;
  const float *weight, *mean, *rstd;
  T* dx;              // or null
  bool adds = false;  // to what dx holds
};

/// A lane's part of a row of dy and of x, and what the row's gradient needs besides.
template <class T, int kLanes, int kPacks>
struct GradientRow {
  const RowOfWarp<kLanes, kPacks>& row;
  Held<T, kLanes, kPacks> dy, x;
  float mean, rstd;

  __device__ GradientRow(const RowOfWarp<kLanes, kPacks>& of, const Backward<T>& b)
      : row(of), dy(of, b.dy), x(of, b.x), mean(b.mean[of.index]), rstd(b.rstd[of.index]) {}

  __device__ void write(const Backward<T>& b) const {
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
      T* const to = b.dx + row.index * b.C + c;
      Pack<kLanes> out = b.adds ? load<kLanes>(to) : Pack<kLanes>{};
      for (int lane = 0; lane < kLanes; ++lane)
        out.lane[lane] += rstd * (d.lane[lane] * weight.lane[lane] - g_mean - (v.lane[lane] - mean) * rstd * gx_mean);
      store(to, out);
    });
  }
};

template <class T, int kLanes, int kPacks>
__global__ void input_gradient(Backward<T> b) {
  const RowOfWarp<kLanes, kPacks> row(b.C, static_cast<i64>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kWarp);
  if (row.index < b.R) GradientRow<T, kLanes, kPacks>(row, b).write(b);
}

/// Sums of dy * xhat and of dy.
template <class T, int kLanes>
struct ParameterTerms {
  static constexpr int kAtOnce = 4;
  Backward<T> b;

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

/// How rows are divided among blocks of kWarpsOfSums warps, by the shape alone: a warp has at least kRowsOfSums of
/// them, which pay for the sums that a block leaves.
constexpr int kWarpsOfSums = 4, kRowsOfSums = 4;
struct Chunks {
  explicit Chunks(i64 rows) {
    constexpr i64 kMostChunks = 1024;
    const i64 least = kWarpsOfSums * kRowsOfSums;
    chunk = std::max<i64>(least, (rows + kMostChunks - 1) / kMostChunks);
    count = unsigned((rows + chunk - 1) / chunk);
  }
  i64 chunk{};
  unsigned count{};
};

/// Both gradients while a row is in registers: dx, and sums [chunks,2,C] of dy * xhat and of dy over each chunk.
template <class T, int kLanes, int kPacks>
__global__ void gradients(Backward<T> b, Chunks chunks, float* sums) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const i64 begin = blockIdx.x * chunks.chunk, end = begin + chunks.chunk < b.R ? begin + chunks.chunk : b.R;
  Pack<kLanes> dweight[kPacks] = {}, dbias[kPacks] = {};
  for (i64 index = begin + warp; index < end; index += kWarpsOfSums) {
    const RowOfWarp<kLanes, kPacks> row(b.C, index);
    const GradientRow<T, kLanes, kPacks> gradient(row, b);
    row.each_pack([&](int i, i64 c) {
      const Pack<kLanes> d = gradient.dy(i, c), v = gradient.x(i, c);
      for (int lane = 0; lane < kLanes; ++lane) {
        dweight[i].lane[lane] += d.lane[lane] * (v.lane[lane] - gradient.mean) * gradient.rstd;
        dbias[i].lane[lane] += d.lane[lane];
      }
    });
    gradient.write(b);
  }
  __shared__ float held[2][kPacks * kWarp * kLanes];
  const RowOfWarp<kLanes, kPacks> row(b.C, 0);
  for (int turn = 0; turn < kWarpsOfSums; ++turn) {  // one warp after the other
    if (turn == warp) {
      row.each_pack([&](int i, i64 c) {
        for (int lane = 0; lane < kLanes; ++lane) {
          held[0][c + lane] = dweight[i].lane[lane] + (turn > 0 ? held[0][c + lane] : 0.F);
          held[1][c + lane] = dbias[i].lane[lane] + (turn > 0 ? held[1][c + lane] : 0.F);
        }
      });
    }
    __syncthreads();
  }
  for (i64 c = threadIdx.x; c < 2 * b.C; c += blockDim.x)
    sums[blockIdx.x * 2 * b.C + c] = c < b.C ? held[0][c] : held[1][c - b.C];
}

struct WriteColumns {
  float *dweight, *dbias;
  i64 C;
  __device__ void operator()(i64, i64 column, const double (&sum)[1]) const {
    (column < C ? dweight[column] : dbias[column - C]) = static_cast<float>(sum[0]);
  }
};

dim3 blocks_of(i64 rows) { return dim3(unsigned((rows + kRowsOfBlock - 1) / kRowsOfBlock)); }

/// Calls fn.operator()<kLanes, kPacks>() for rows of these maps: packs of four, held where they are few enough.
template <class Fn>
void with_rows(i64 channels, std::initializer_list<cuda::MapStart> maps, const Fn& fn) {
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

/// The parameters' gradients by a look of their own at dy and x.
template <class T>
void two_passes(const Backward<T>& b, Device device, const WriteGradients& write) {
  cuda::with_packs(b.C, {b.dy, b.x}, [&]<int kLanes>() {
    cuda::launch_sums<2, kLanes>(device, 1, b.R, b.C, ParameterTerms<T, kLanes>{b}, write);
  });
  if (!b.dx) return;
  with_rows(b.C, {b.dy, b.x, b.weight, b.dx}, [&]<int kLanes, int kPacks>() {
    cuda::launch_kernel(input_gradient<T, kLanes, kPacks>, blocks_of(b.R), kWarp * kRowsOfBlock, 0,
                        cuda::runtime().compute, b);
  });
}

/// All of them in one look, and the sums of the chunks.
template <int kLanes, int kPacks, class T>
void one_pass(const Backward<T>& b, Device device, const WriteGradients& write) {
  const Chunks chunks(b.R);
  const Tensor sums = Tensor::empty({chunks.count, 2, b.C}, device);
  cuda::launch_kernel(gradients<T, kLanes, kPacks>, dim3(chunks.count), kWarp * kWarpsOfSums, 0,
                      cuda::runtime().compute, b, chunks, sums.data());
  cuda::launch_sums<1, kLanes>(device, 1, chunks.count, 2 * b.C, cuda::PlainTerms<float, kLanes, 4>{sums.data()},
                               WriteColumns{write.dweight, write.dbias, b.C});
}

/// Where a lane can hold its part of a row and of the sums over rows, one look is enough.
template <class T>
void layer_norm_gradients(const Backward<T>& b, Device device, const WriteGradients& write) {
  constexpr int kMostPacks = 6;
  with_rows(b.C, {b.dy, b.x, b.weight, b.dx}, [&]<int kLanes, int kPacks>() {
    if constexpr (kPacks > 0 && kPacks <= kMostPacks) {
      if (b.dx) return one_pass<kLanes, kPacks>(b, device, write);
    }
    two_passes(b, device, write);
  });
}

void layer_norm_gradients(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const Tensor& dx, bool adds, const WriteGradients& write) {
  const i64 C = weight.numel(), R = x.numel() / C;
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    layer_norm_gradients(Backward<T>{R, C, dy.data<T>(), x.data<T>(), weight.data(), mean.data(), rstd.data(),
                                     dx ? dx.data<T>() : nullptr, adds},
                         x.device(), write);
  });
}

}  // namespace

void CudaBackend::layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                             const Tensor& mean, const Tensor& rstd) {
  const i64 C = weight.numel(), R = x.numel() / C;
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Forward<T> f{R, C, eps, x.data<T>(), weight.data(), bias.data(), y.data<T>(), mean.data(), rstd.data()};
    with_rows(C, {f.x, f.weight, f.bias, f.y}, [&]<int kLanes, int kPacks>() {
      cuda::launch_kernel(normalise<T, kLanes, kPacks>, blocks_of(R), kWarp * kRowsOfBlock, 0, cuda::runtime().compute,
                          f);
    });
  });
}

void CudaBackend::layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  layer_norm_gradients(dy, x, weight, mean, rstd, dx, false, {dweight.data(), dbias.data()});
}

void CudaBackend::add_layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                          const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                          const Tensor& dbias) {
  layer_norm_gradients(dy, x, weight, mean, rstd, dx, true, {dweight.data(), dbias.data()});
}

}  // namespace md
