// Batch norm fused with its activation, over the rows of x [R,C]: the formulas are in engine/cpu/batch_norm.cpp. Two
// grids each way, for the statistics (or the two gradient sums) and for the map itself; only x is saved.
#include "engine/batch_norm_formula.h"
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/fused_activation.h"

namespace md {
namespace {

using cuda::Columns;
using cuda::load;
using cuda::Pack;
using cuda::Place;
using cuda::store;

/// Rows that a thread has on their way at once, and those of one map that moments are made of.
constexpr int kRowsAtOnce = 4, kRowsOfMoments = 8;

/// How many values, their mean and the sum of squared deviations from it, of each lane; batches of rows are merged into
/// it (Chan et al.), so that one look at them is exact however far from zero they are.
template <int kLanes>
struct Moments {
  float count = 0.F, mean[kLanes] = {}, m2[kLanes] = {};

  template <class Count>
  __device__ void merge(const Pack<kLanes> (&rows)[kRowsOfMoments], Count rows_here) {
    const float here = static_cast<float>(rows_here), before = count;
    count += here;
    const float share = here / count;
    for (int lane = 0; lane < kLanes; ++lane) {
      float sum = 0.F, squares = 0.F;
      for (int k = 0; k < kRowsOfMoments; ++k) sum += rows[k].lane[lane];  // what is not there is 0
      const float mean_here = sum / here, apart = mean_here - mean[lane];
      for (int k = 0; k < kRowsOfMoments; ++k) {
        const float d = k < rows_here ? rows[k].lane[lane] - mean_here : 0.F;
        squares += d * d;
      }
      mean[lane] += apart * share;
      m2[lane] += squares + apart * apart * before * share;
    }
  }
};

/// The mean of the block's chunk and the sum of squared deviations from it, from those of its threads.
template <int kLanes>
__device__ void moments_of_chunk(const Columns& g, const Place<kLanes>& at, const Moments<kLanes>& of_thread,
                                 float (&moments)[2][kLanes]) {
  float means[1][kLanes], m2[1][kLanes];
  for (int lane = 0; lane < kLanes; ++lane) means[0][lane] = of_thread.count * of_thread.mean[lane];
  cuda::add_side_by_side(g, at, means);
  for (int lane = 0; lane < kLanes; ++lane) {
    moments[0][lane] = means[0][lane] / static_cast<float>(at.end - at.begin);
    const float apart = of_thread.mean[lane] - moments[0][lane];
    m2[0][lane] = of_thread.m2[lane] + of_thread.count * apart * apart;
  }
  cuda::add_side_by_side(g, at, m2);
  for (int lane = 0; lane < kLanes; ++lane) moments[1][lane] = m2[0][lane];
}

struct Statistics {
  double eps;
  float *mean, *rstd, *running_mean, *running_variance;  // [C]
  int* batches;                                          // or null
  float momentum;
  __device__ void blend(float& old, double batch) const { old = batch_norm_running(old, batch, momentum); }

  /// Of a channel, from the mean and the sum of squared deviations of n values.
  __device__ void write(i64 c, double n, double channel_mean, double m2) const {
    mean[c] = static_cast<float>(channel_mean);
    rstd[c] = static_cast<float>(1.0 / sqrt(m2 / n + eps));
    blend(running_mean[c], channel_mean);
    blend(running_variance[c], unbiased_variance(m2, n));
    if (batches && c == 0) ++*batches;
  }
};

/// With means about that of the first chunk, p:  mean = p + S/R, S = sum n_k (mean_k - p), and
///   M2 = sum m2_k + n_k (mean_k - p)^2 - S^2/R
template <int kLanes, class T>
__global__ void statistics(Columns g, const T* x, float* partial, Statistics out) {
  const Place<kLanes> at(g);
  Moments<kLanes> of_thread;
  at.template for_batches<kRowsOfMoments>(
      g, [&](i64 offset, i64) { return load<kLanes>(x + offset); },
      [&](i64, const Pack<kLanes>(&rows)[kRowsOfMoments], auto count) { of_thread.merge(rows, count); });
  float moments[2][kLanes];
  moments_of_chunk(g, at, of_thread, moments);
  double totals[2][kLanes] = {};
  const auto add = [&](i64 chunk, const Pack<kLanes>(&of_chunk)[2], double(&all)[2][kLanes]) {
    const i64 left = g.R - chunk * g.chunk;
    const double rows = static_cast<double>(left < g.chunk ? left : g.chunk);
    for (int lane = 0; lane < kLanes; ++lane) {
      const double apart = static_cast<double>(of_chunk[0].lane[lane]) - static_cast<double>(partial[at.column + lane]);
      all[0][lane] += rows * apart;
      all[1][lane] += static_cast<double>(of_chunk[1].lane[lane]) + rows * apart * apart;
    }
  };
  if (!cuda::add_chunks(g, at, moments, partial, totals, add) || !at.first()) return;
  const double n = static_cast<double>(g.R);
  for (int lane = 0; lane < kLanes; ++lane) {
    const double shift = totals[0][lane] / n;
    out.write(at.column + lane, n, static_cast<double>(partial[at.column + lane]) + shift,
              totals[1][lane] - totals[0][lane] * shift);
  }
}

struct Affine {  // [C]
  const float *weight, *bias, *mean, *rstd;
  __device__ BatchNormAffine of(i64 c) const { return batch_norm_affine(weight[c], bias[c], mean[c], rstd[c]); }
};

/// Of the lanes of a thread.
template <int kLanes>
struct Affines {
  BatchNormAffine of[kLanes];
  __device__ Affines(const Affine& affine, i64 column) {
    for (int lane = 0; lane < kLanes; ++lane) of[lane] = affine.of(column + lane);
  }
};

template <Act kAct, int kLanes, class T>
__global__ void normalise(Columns g, Affine affine, const T* x, T* y) {
  const Place<kLanes> at(g);
  if (!at.active) return;
  const Affines<kLanes> z(affine, at.column);
  at.template for_rows<kRowsAtOnce>(
      g, [&](i64 offset, i64) { return load<kLanes>(x + offset); },
      [&](i64 offset, i64, Pack<kLanes> v) {
        for (int lane = 0; lane < kLanes; ++lane)
          v.lane[lane] = activate<kAct>(v.lane[lane] * z.of[lane].slope + z.of[lane].offset);
        store(y + offset, v);
      });
}

/// With another map added before the activation.
template <Act kAct, int kLanes, class T>
__global__ void normalise_plus(Columns g, Affine affine, const T* x, const T* residual, T* y) {
  struct Loaded {
    Pack<kLanes> x, residual;
  };
  const Place<kLanes> at(g);
  if (!at.active) return;
  const Affines<kLanes> z(affine, at.column);
  at.template for_rows<kRowsAtOnce>(
      g,
      [&](i64 offset, i64) {
        return Loaded{load<kLanes>(x + offset), load<kLanes>(residual + offset)};
      },
      [&](i64 offset, i64, Loaded v) {
        for (int lane = 0; lane < kLanes; ++lane)
          v.x.lane[lane] =
              activate<kAct>(v.x.lane[lane] * z.of[lane].slope + z.of[lane].offset + v.residual.lane[lane]);
        store(y + offset, v.x);
      });
}

/// What the backward pass reads of both maps.
template <int kLanes>
struct Both {
  Pack<kLanes> dy, x;
};

/// dz of a lane.
template <Act kAct, int kLanes>
__device__ float dz_of(const Both<kLanes>& v, const Affines<kLanes>& z, int lane) {
  return activation_gradient<kAct>(v.x.lane[lane] * z.of[lane].slope + z.of[lane].offset, v.dy.lane[lane]);
}

/// Sums of dz and of dz * (x - mean).
template <Act kAct, int kLanes, class T>
struct GradientTerms {
  static constexpr int kAtOnce = kRowsAtOnce;
  Affine affine;
  const T *dy, *x;

  struct OfColumn {
    Affines<kLanes> z;
    Pack<kLanes> mean;
    const T *dy, *x;
    __device__ Both<kLanes> load(i64 at, i64) const {
      return {cuda::load<kLanes>(dy + at), cuda::load<kLanes>(x + at)};
    }
    __device__ void add(const Both<kLanes>& v, float (&sums)[2][kLanes]) const {
      for (int lane = 0; lane < kLanes; ++lane) {
        const float dz = dz_of<kAct>(v, z, lane);
        sums[0][lane] += dz;
        sums[1][lane] += dz * (v.x.lane[lane] - mean.lane[lane]);
      }
    }
  };
  __device__ OfColumn of(i64 c) const { return {{affine, c}, load<kLanes>(affine.mean + c), dy, x}; }
};

/// The same sums of dz = dy where y, behind a relu, is above 0; dz itself goes to memory on the way.
template <int kLanes, class T>
struct ReluGradientTerms {
  static constexpr int kAtOnce = kRowsAtOnce;
  const float* mean;
  const T *dy, *y, *x;
  T* dz;

  struct Loaded {
    Pack<kLanes> dy, y, x;
    i64 at;
  };
  struct OfColumn {
    ReluGradientTerms maps;
    Pack<kLanes> mean;
    __device__ Loaded load(i64 at, i64) const {
      return {cuda::load<kLanes>(maps.dy + at), cuda::load<kLanes>(maps.y + at), cuda::load<kLanes>(maps.x + at), at};
    }
    __device__ void add(const Loaded& v, float (&sums)[2][kLanes]) const {
      Pack<kLanes> dz;
      for (int lane = 0; lane < kLanes; ++lane) {
        dz.lane[lane] = activation_gradient<Act::relu>(v.y.lane[lane], v.dy.lane[lane]);
        sums[0][lane] += dz.lane[lane];
        sums[1][lane] += dz.lane[lane] * (v.x.lane[lane] - mean.lane[lane]);
      }
      store(maps.dz + v.at, dz);
    }
  };
  __device__ OfColumn of(i64 c) const { return {*this, cuda::load<kLanes>(mean + c)}; }
};

/// Those of a BatchNormGradient.
struct Coefficients {
  float *dz, *x, *one;  // [C]
};

/// From a channel's sums.
struct WriteGradients {
  Affine affine;
  double rows;
  bool batch_statistics;
  Coefficients k;
  float *dweight, *dbias;

  __device__ void operator()(i64, i64 c, const double (&sums)[2]) const {
    const BatchNormGradient of_channel = batch_norm_gradient(
        sums[0], sums[1], static_cast<double>(affine.weight[c]), static_cast<double>(affine.mean[c]),
        static_cast<double>(affine.rstd[c]), rows, batch_statistics);
    dbias[c] = of_channel.dbias;
    dweight[c] = of_channel.dweight;
    k.dz[c] = of_channel.k_dz;
    k.x[c] = of_channel.k_x;
    k.one[c] = of_channel.k_1;
  }
};

/// dx may be dy's memory: a thread has read its rows when it writes them. Or they are added to what dx holds.
template <Act kAct, int kLanes, bool kAdds, class T>
__global__ void input_gradient(Columns g, Affine affine, Coefficients k, const T* dy, const T* x, T* dx) {
  struct Read {
    Both<kLanes> both;
    Pack<kLanes> before;
  };
  const Place<kLanes> at(g);
  if (!at.active) return;
  const Affines<kLanes> z(affine, at.column);
  const Pack<kLanes> k_dz = load<kLanes>(k.dz + at.column), k_x = load<kLanes>(k.x + at.column),
                     k_1 = load<kLanes>(k.one + at.column);
  at.template for_rows<kRowsAtOnce>(
      g,
      [&](i64 offset, i64) {
        Read v{{load<kLanes>(dy + offset), load<kLanes>(x + offset)}, {}};
        if constexpr (kAdds) v.before = load<kLanes>(dx + offset);
        return v;
      },
      [&](i64 offset, i64, const Read& v) {
        Pack<kLanes> out = v.before;
        for (int lane = 0; lane < kLanes; ++lane)
          out.lane[lane] +=
              k_dz.lane[lane] * dz_of<kAct>(v.both, z, lane) + (k_x.lane[lane] * v.both.x.lane[lane] + k_1.lane[lane]);
        store(dx + offset, out);
      });
}

/// Calls fn.operator()<T, kAct>() for the type that stores maps, and the spec's activation.
template <class Fn>
void with_maps(const BatchNormSpec& spec, DType dtype, const Fn& fn) {
  with_storage(dtype, [&](auto storage) {
    with_activation(spec, [&]<Act kAct>() { fn.template operator()<decltype(storage), kAct>(); });
  });
}

struct Size {
  explicit Size(const Tensor& x, const Tensor& per_channel)
      : R(x.numel() / per_channel.numel()), C(per_channel.numel()) {}
  i64 R, C;
};

/// What both backward passes have between them: the channels' sums, and what the map's gradient is made of.
struct BackwardOfChannels {
  BackwardOfChannels(bool batch_statistics, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& mean, const Tensor& rstd, const Tensor& dweight, const Tensor& dbias)
      : size(x, mean),
        affine{weight.data(), bias.data(), mean.data(), rstd.data()},
        coefficients(Tensor::empty({3, size.C}, x.device())),
        k{coefficients.data(), coefficients.data() + size.C, coefficients.data() + 2 * size.C},
        write{affine, static_cast<double>(size.R), batch_statistics, k, dweight.data(), dbias.data()} {}

  /// From the gradient behind x's affine map and its activation.
  template <class T, Act kAct, int kLanes, bool kAdds = false>
  void launch_input_gradient(const Tensor& dy, const Tensor& x, const Tensor& dx) const {
    const Columns g(1, size.R, size.C, kLanes, Columns::kMaps);
    cuda::launch_kernel(input_gradient<kAct, kLanes, kAdds, T>, g.grid(), cuda::kBlock, 0, cuda::runtime().compute, g,
                        affine, k, dy.data<T>(), x.data<T>(), dx.data<T>());
  }

  /// All gradients; dx, where there is one, is written or with kAdds added to.
  template <bool kAdds>
  void launch(const BatchNormSpec& spec, const Tensor& dy, const Tensor& x, const Tensor& mean,
              const Tensor& dx) const {
    with_maps(spec, x.dtype(), [&]<class T, Act kAct>() {
      const T *const of_dy = dy.data<T>(), *const of_x = x.data<T>();
      cuda::with_packs(size.C, {of_dy, of_x, mean.data(), dx ? dx.data<T>() : nullptr}, [&]<int kLanes>() {
        cuda::launch_sums<2, kLanes>(x.device(), 1, size.R, size.C, GradientTerms<kAct, kLanes, T>{affine, of_dy, of_x},
                                     write);
        if (dx) launch_input_gradient<T, kAct, kLanes, kAdds>(dy, x, dx);
      });
    });
  }

  Size size;
  Affine affine;
  Tensor coefficients;
  Coefficients k;
  WriteGradients write;
};

}  // namespace

void CudaBackend::batch_norm_statistics(const BatchNormSpec& spec, const Tensor& x, const RunningStatistics& running,
                                        const Tensor& mean, const Tensor& rstd) {
  const Size size(x, mean);
  const Statistics out{static_cast<double>(spec.eps),
                       mean.data(),
                       rstd.data(),
                       running.mean.data(),
                       running.variance.data(),
                       running.batches ? running.batches.data<std::int32_t>() : nullptr,
                       running.momentum};
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    cuda::with_packs(size.C, {x.data<T>()}, [&]<int kLanes>() {
      const Columns g(1, size.R, size.C, kLanes, Columns::kSums);
      const Tensor partial = Tensor::empty({g.chunks, 2, g.C}, x.device());
      cuda::launch_kernel(statistics<kLanes, T>, g.grid(), cuda::kBlock, 0, cuda::runtime().compute, g, x.data<T>(),
                          partial.data(), out);
    });
  });
}

void CudaBackend::batch_norm(const BatchNormSpec& spec, const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Tensor& mean, const Tensor& rstd, const Tensor& y) {
  const Size size(x, mean);
  const Affine affine{weight.data(), bias.data(), mean.data(), rstd.data()};
  with_maps(spec, x.dtype(), [&]<class T, Act kAct>() {
    cuda::with_packs(size.C, {x.data<T>(), y.data<T>()}, [&]<int kLanes>() {
      const Columns g(1, size.R, size.C, kLanes, Columns::kMaps);
      cuda::launch_kernel(normalise<kAct, kLanes, T>, g.grid(), cuda::kBlock, 0, cuda::runtime().compute, g, affine,
                          x.data<T>(), y.data<T>());
    });
  });
}

bool CudaBackend::batch_norm_plus(const BatchNormSpec& spec, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  const Tensor& mean, const Tensor& rstd, const Tensor& residual, const Tensor& y) {
  const Size size(x, mean);
  const Affine affine{weight.data(), bias.data(), mean.data(), rstd.data()};
  with_maps(spec, x.dtype(), [&]<class T, Act kAct>() {
    cuda::with_packs(size.C, {x.data<T>(), residual.data<T>(), y.data<T>()}, [&]<int kLanes>() {
      const Columns g(1, size.R, size.C, kLanes, Columns::kMaps);
      cuda::launch_kernel(normalise_plus<kAct, kLanes, T>, g.grid(), cuda::kBlock, 0, cuda::runtime().compute, g,
                          affine, x.data<T>(), residual.data<T>(), y.data<T>());
    });
  });
  return true;
}

void CudaBackend::batch_norm_backward(const BatchNormSpec& spec, bool batch_statistics, const Tensor& dy,
                                      const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                      const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                      const Tensor& dbias) {
  BackwardOfChannels(batch_statistics, x, weight, bias, mean, rstd, dweight, dbias)
      .launch<false>(spec, dy, x, mean, dx);
}

bool CudaBackend::add_batch_norm_backward(const BatchNormSpec& spec, bool batch_statistics, const Tensor& dy,
                                          const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                          const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                          const Tensor& dbias) {
  BackwardOfChannels(batch_statistics, x, weight, bias, mean, rstd, dweight, dbias).launch<true>(spec, dy, x, mean, dx);
  return true;
}

bool CudaBackend::batch_norm_plus_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy,
                                           const Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                                           const Tensor& mean, const Tensor& rstd, const Tensor& dz, const Tensor& dx,
                                           const Tensor& dweight, const Tensor& dbias) {
  const BackwardOfChannels of(batch_statistics, x, weight, bias, mean, rstd, dweight, dbias);
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const auto run = [&]<int kLanes>() {
      cuda::launch_sums<2, kLanes>(
          x.device(), 1, of.size.R, of.size.C,
          ReluGradientTerms<kLanes, T>{mean.data(), dy.data<T>(), y.data<T>(), x.data<T>(), dz.data<T>()}, of.write);
      if (dx) of.template launch_input_gradient<T, Act::none, kLanes>(dz, x, dx);
    };
    cuda::with_packs(of.size.C,
                     {dy.data<T>(), y.data<T>(), x.data<T>(), mean.data(), dz.data<T>(), dx ? dx.data<T>() : nullptr},
                     run);
  });
  return true;
}

}  // namespace md
