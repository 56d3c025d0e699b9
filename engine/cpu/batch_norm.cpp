// Batch norm fused with its activation, over the rows of x [R,C]. Two passes each way over memory: the statistics (or
// the two gradient sums), then the map itself. The normalised value is recomputed from x, so that only x is saved.
//   statistics   mean, biased variance: per chunk in one look, as deviations from what its first rows' mean is;
//                chunks merged in double (Chan et al.)
//                running = (1 - momentum) * running + momentum * batch, with the unbiased variance
//   y  = act(z),  z = xhat * weight + bias,  xhat = (x - mean) * rstd
//   dz = dy * act'(z);  dbias = sum dz;  dweight = sum dz * xhat
//   dx = weight * rstd * (dz - dbias/R - xhat * dweight/R)      (constant statistics: weight * rstd * dz)
#include <cmath>

#include "engine/batch_norm_formula.h"
#include "engine/cpu/channel_sums.h"
#include "engine/cpu/cpu_backend.h"
#include "engine/fused_activation.h"

namespace md::MD_KERNELS {
namespace {

/// A chunk's rows whose mean is what deviations are first measured from: of n rows, should all that differs stand in
/// these, squares are at most n / kFirstRows^2 times as large as from the mean, and lose no more digits than that.
constexpr i64 kFirstRows = 8;

/// Mean and sum of squared deviations of one chunk, per channel. scratch [3*width].
template <class T>
void chunk_moments(const RowWalk& w, i64 chunk, const T* x, float* scratch, float* mean, float* m2) {
  float *const near = scratch, *const sums = near + w.width, *const squares = sums + w.width;
  const i64 begin = w.begin(chunk), end = w.end(chunk), first = std::min(end, begin + kFirstRows * w.fold);
  const auto add_up = [=, &w](i64 until) {
    std::fill_n(sums, 2 * w.width, 0.F);
    for_each_block(w, begin, until, [=](i64 at, i64 column, i64 n) {
      BlockFloats<T> block;
      const float *const v = block.read(x + at, n), *const from = near + column;
      float *const sum = sums + column, *const square = squares + column;
#pragma omp simd
      for (i64 i = 0; i < n; ++i) {
        const float d = v[i] - from[i];
        sum[i] += d;
        square[i] += d * d;
      }
    });
  };
  std::fill_n(near, w.width, 0.F);
  add_up(first);
  unfold(sums, w, mean);
  for (i64 c = 0; c < w.C; ++c) mean[c] /= static_cast<float>(first - begin);
  tile(mean, w, near);
  add_up(end);
  unfold(squares, w, m2);
  unfold(sums, w, near);
  for (i64 c = 0; c < w.C; ++c) {
    const float rows = static_cast<float>(end - begin), off = near[c] / rows;
    mean[c] += off;
    m2[c] = std::max(m2[c] - rows * off * off, 0.F);  // in this order NaN stays
  }
}

/// z = x * slope + offset, per channel, repeated for wide rows.
struct Affine {
  Affine(const RowWalk& w, const float* weight, const float* bias, const float* mean, const float* rstd)
      : slope(static_cast<std::size_t>(w.width)), offset(static_cast<std::size_t>(w.width)) {
    for (i64 i = 0; i < w.width; ++i) {
      const i64 c = i % w.C;
      const BatchNormAffine of_channel = batch_norm_affine(weight[c], bias[c], mean[c], rstd[c]);
      slope[static_cast<std::size_t>(i)] = of_channel.slope;
      offset[static_cast<std::size_t>(i)] = of_channel.offset;
    }
  }
  std::vector<float> slope, offset;
};

/// Per chunk: sum of dz and of dz * (x - mean).
template <Act kAct, class T>
void gradient_sums(const RowWalk& w, const Affine& affine, const T* dy, const T* x, const float* mean,
                   std::vector<float>& partial) {
  const std::vector<float> wide_mean = tile(mean, w);
  const float *a = affine.slope.data(), *b = affine.offset.data(), *mu = wide_mean.data();
  Scratch scratch(static_cast<std::size_t>(2 * w.width));
#pragma omp parallel for schedule(static)
  for (i64 chunk = 0; chunk < w.chunks; ++chunk) {
    float *s0 = scratch.mine().data(), *s1 = s0 + w.width;
    std::fill_n(s0, 2 * w.width, 0.F);
    for_each_block(w, w.begin(chunk), w.end(chunk), [x, dy, a, b, mu, s0, s1](i64 at, i64 column, i64 n) {
      BlockFloats<T> of_x, of_dy;
      const float *const v = of_x.read(x + at, n), *const up = of_dy.read(dy + at, n);
      const float *const slope = a + column, *const offset = b + column, *const m = mu + column;
      float *const sum = s0 + column, *const sum_x = s1 + column;
#pragma omp simd
      for (i64 i = 0; i < n; ++i) {
        const float dz = activation_gradient<kAct>(v[i] * slope[i] + offset[i], up[i]);
        sum[i] += dz;
        sum_x[i] += dz * (v[i] - m[i]);
      }
    });
    unfold(s0, w, partial.data() + chunk * 2 * w.C);
    unfold(s1, w, partial.data() + (chunk * 2 + 1) * w.C);
  }
}

/// The coefficients of a BatchNormGradient, per channel.
struct InputGradient {
  std::vector<float> k_dz, k_x, k_1;
};

template <Act kAct, class T>
void input_gradient(const RowWalk& w, const Affine& affine, const InputGradient& g, const T* dy, const T* x, T* dx) {
  const float *a = affine.slope.data(), *b = affine.offset.data();
  const std::vector<float> t_dz = tile(g.k_dz.data(), w), t_x = tile(g.k_x.data(), w), t_1 = tile(g.k_1.data(), w);
  const float *k_dz = t_dz.data(), *k_x = t_x.data(), *k_1 = t_1.data();
#pragma omp parallel for schedule(static)
  for (i64 chunk = 0; chunk < w.chunks; ++chunk) {
    for_each_block(w, w.begin(chunk), w.end(chunk), [x, dy, dx, a, b, k_dz, k_x, k_1](i64 at, i64 column, i64 n) {
      BlockFloats<T> of_x, of_dy, of_dx;
      const float *const v = of_x.read(x + at, n), *const up = of_dy.read(dy + at, n);
      const float *const slope = a + column, *const offset = b + column;
      const float *const by_dz = k_dz + column, *const by_x = k_x + column, *const constant = k_1 + column;
      float* const to = of_dx.target(dx + at);
#pragma omp simd
      for (i64 i = 0; i < n; ++i) {
        const float dz = activation_gradient<kAct>(v[i] * slope[i] + offset[i], up[i]);
        to[i] = by_dz[i] * dz + (by_x[i] * v[i] + constant[i]);
      }
      of_dx.write(dx + at, n);
    });
  }
}

RowWalk walk_of(const Tensor& x, i64 C) { return {x.numel() / C, C}; }

/// Mean and sum of squared deviations of each chunk, [chunks,2,C].
template <class T>
std::vector<float> moments_of(const RowWalk& w, const T* x) {
  std::vector<float> moments(static_cast<std::size_t>(w.chunks * 2 * w.C));
  Scratch scratch(static_cast<std::size_t>(3 * w.width));
#pragma omp parallel for schedule(static)
  for (i64 chunk = 0; chunk < w.chunks; ++chunk) {
    float* at = moments.data() + chunk * 2 * w.C;
    chunk_moments(w, chunk, x, scratch.mine().data(), at, at + w.C);
  }
  return moments;
}

template <Act kAct, class T>
void normalise(const RowWalk& w, const Affine& affine, const T* x, T* y) {
  const float *a = affine.slope.data(), *b = affine.offset.data();
#pragma omp parallel for schedule(static)
  for (i64 chunk = 0; chunk < w.chunks; ++chunk) {
    for_each_block(w, w.begin(chunk), w.end(chunk), [x, y, a, b](i64 at, i64 column, i64 n) {
      BlockFloats<T> of_x, of_y;
      const float *const v = of_x.read(x + at, n), *const slope = a + column, *const offset = b + column;
      float* const to = of_y.target(y + at);
#pragma omp simd
      for (i64 i = 0; i < n; ++i) to[i] = activate<kAct>(v[i] * slope[i] + offset[i]);
      of_y.write(y + at, n);
    });
  }
}

/// Calls fn.operator()<Act, T>() for the activation of the spec and the type that stores x.
template <class Fn>
void with_activation_and_storage(const BatchNormSpec& spec, const Tensor& x, const Fn& fn) {
  with_activation(spec, [&]<Act kAct>() {
    with_storage(x.dtype(), [&](auto storage) { fn.template operator()<kAct, decltype(storage)>(); });
  });
}

}  // namespace

void CpuBackend::batch_norm_statistics(const BatchNormSpec& spec, const Tensor& x, const RunningStatistics& running,
                                       const Tensor& mean, const Tensor& rstd) {
  const RowWalk w = walk_of(x, mean.numel());
  std::vector<float> moments;
  with_storage(x.dtype(), [&](auto storage) { moments = moments_of(w, x.data<decltype(storage)>()); });
  const auto blend = [&](float& old, double batch) { old = batch_norm_running(old, batch, running.momentum); };
  for (i64 c = 0; c < w.C; ++c) {
    double n = 0, mu = 0, m2 = 0;
    for (i64 chunk = 0; chunk < w.chunks; ++chunk) {
      const double rows = static_cast<double>(w.end(chunk) - w.begin(chunk));
      const float* at = moments.data() + chunk * 2 * w.C + c;
      const double delta = static_cast<double>(at[0]) - mu;
      mu += delta * rows / (n + rows);
      m2 += static_cast<double>(at[w.C]) + delta * delta * n * rows / (n + rows);
      n += rows;
    }
    mean.data()[c] = static_cast<float>(mu);
    rstd.data()[c] = static_cast<float>(1.0 / std::sqrt(m2 / n + static_cast<double>(spec.eps)));
    blend(running.mean.data()[c], mu);
    blend(running.variance.data()[c], unbiased_variance(m2, n));
  }
  if (running.batches) ++*running.batches.data<std::int32_t>();
}

void CpuBackend::batch_norm(const BatchNormSpec& spec, const Tensor& x, const Tensor& weight, const Tensor& bias,
                            const Tensor& mean, const Tensor& rstd, const Tensor& y) {
  const RowWalk w = walk_of(x, mean.numel());
  const Affine affine(w, weight.data(), bias.data(), mean.data(), rstd.data());
  with_activation_and_storage(spec, x,
                              [&]<Act kAct, class T>() { normalise<kAct>(w, affine, x.data<T>(), y.data<T>()); });
}

void CpuBackend::batch_norm_backward(const BatchNormSpec& spec, bool batch_statistics, const Tensor& dy,
                                     const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                     const Tensor& rstd, const Tensor& dx, const Tensor& dweight, const Tensor& dbias) {
  const RowWalk w = walk_of(x, mean.numel());
  const auto C = static_cast<std::size_t>(w.C);
  const Affine affine(w, weight.data(), bias.data(), mean.data(), rstd.data());
  std::vector<float> partial(static_cast<std::size_t>(w.chunks) * 2 * C);
  with_activation_and_storage(spec, x, [&]<Act kAct, class T>() {
    gradient_sums<kAct>(w, affine, dy.data<T>(), x.data<T>(), mean.data(), partial);
  });
  InputGradient g{std::vector<float>(C), std::vector<float>(C), std::vector<float>(C)};
  for (std::size_t c = 0; c < C; ++c) {
    double sum_dz = 0, sum_dz_x = 0;
    for (std::size_t chunk = 0; chunk < static_cast<std::size_t>(w.chunks); ++chunk) {
      sum_dz += static_cast<double>(partial[chunk * 2 * C + c]);
      sum_dz_x += static_cast<double>(partial[(chunk * 2 + 1) * C + c]);
    }
    const BatchNormGradient of_channel = batch_norm_gradient(
        sum_dz, sum_dz_x, static_cast<double>(weight.data()[c]), static_cast<double>(mean.data()[c]),
        static_cast<double>(rstd.data()[c]), static_cast<double>(w.R), batch_statistics);
    dbias.data()[c] = of_channel.dbias;
    dweight.data()[c] = of_channel.dweight;
    g.k_dz[c] = of_channel.k_dz;
    g.k_x[c] = of_channel.k_x;
    g.k_1[c] = of_channel.k_1;
  }
  if (!dx) return;
  with_activation_and_storage(spec, x, [&]<Act kAct, class T>() {
    input_gradient<kAct>(w, affine, g, dy.data<T>(), x.data<T>(), dx.data<T>());
  });
}

}  // namespace md::MD_KERNELS
