// Layer norm of the rows of x [R,C], one pass each way over memory. Every row is summed in the same order whatever the
// thread; the sums over rows run in chunks fixed by the shape, in float, and over chunks in double.
//   y  = xhat * weight + bias,  xhat = (x - mean) * rstd,  rstd = 1 / sqrt(biased variance + eps)
//   g  = dy * weight;  dx = rstd * (g - mean(g) - xhat * mean(g * xhat))
//   dweight = sum over rows of dy * xhat;  dbias = sum over rows of dy
#include <algorithm>
#include <cmath>

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {
namespace {

/// Rows [begin(c), end(c)) of chunk c; about 64 KiB of x.
struct RowChunks {
  RowChunks(i64 rows, i64 row) : R(rows), size(std::max<i64>(1, 16384 / row)), count((rows + size - 1) / size) {}
  i64 begin(i64 c) const { return c * size; }
  i64 end(i64 c) const { return std::min(R, (c + 1) * size); }
  i64 R, size, count;
};

/// f(c, lanes) for the registers of a row, with how many of their lanes belong to it.
template <class F>
void each_register(i64 C, const F& f) {
  i64 c = 0;
  for (; c + kLanes <= C; c += kLanes) f(c, kLanes);
  if (c < C) f(c, C - c);
}

struct Moments {
  float mean, rstd;
};

/// The mean in two steps, the second about the first, and the variance about the first: exact also for rows far from
/// zero.
template <class T>
Moments moments_of(const T* x, i64 C, float eps) {
  Vec sum{}, off_sum{}, squares{};
  each_register(C, [&](i64 c, i64 lanes) { sum += load_lanes(x + c, lanes); });
  const float about = sum_of_lanes(sum) / float(C);
  each_register(C, [&](i64 c, i64 lanes) {
    const Vec all = load_lanes(x + c, lanes) - about, off = lanes == kLanes ? all : first_lanes(all, lanes);
    off_sum += off;
    squares += off * off;
  });
  const float off = sum_of_lanes(off_sum) / float(C), variance = sum_of_lanes(squares) / float(C) - off * off;
  return {about + off, 1.F / std::sqrt(std::max(0.F, variance) + eps)};
}

struct Sums {
  float *dweight, *dbias;  // [C] of one chunk
};

/// dx of one row, and its part of the sums over rows.
template <class T>
void backward_row(i64 C, const T* dy, const T* x, const float* weight, float mean, float rstd, T* dx,
                  const Sums& sums) {
  Vec g_sum{}, gx_sum{};
  each_register(C, [&](i64 c, i64 lanes) {
    const Vec d = load_lanes(dy + c, lanes), xhat = (load_lanes(x + c, lanes) - mean) * rstd;
    const Vec g = d * load_lanes(weight + c, lanes);  // 0 in the lanes that are not the row's
    g_sum += g;
    gx_sum += g * xhat;
    store_lanes(sums.dweight + c, load_lanes(sums.dweight + c, lanes) + d * xhat, lanes);
    store_lanes(sums.dbias + c, load_lanes(sums.dbias + c, lanes) + d, lanes);
  });
  if (dx == nullptr) return;
  const float g_mean = sum_of_lanes(g_sum) / float(C), gx_mean = sum_of_lanes(gx_sum) / float(C);
  each_register(C, [&](i64 c, i64 lanes) {
    const Vec xhat = (load_lanes(x + c, lanes) - mean) * rstd;
    const Vec g = load_lanes(dy + c, lanes) * load_lanes(weight + c, lanes);
    store_lanes(dx + c, (g - g_mean - xhat * gx_mean) * rstd, lanes);
  });
}

/// Of a forward pass: [C], [C], [R], [R].
struct Parameters {
  const float *weight, *bias;
};
struct Statistics {
  float *mean, *rstd;
};

template <class T>
void forward(i64 R, i64 C, float eps, const T* x, const Parameters& p, T* y, const Statistics& s) {
#pragma omp parallel for schedule(static) if (R * C > 16384)
  for (i64 r = 0; r < R; ++r) {
    const T* row = x + r * C;
    const auto [mu, scale] = moments_of(row, C, eps);
    T* out = y + r * C;
    each_register(C, [&, mu = mu, scale = scale](i64 c, i64 lanes) {
      const Vec xhat = (load_lanes(row + c, lanes) - mu) * scale;
      store_lanes(out + c, xhat * load_lanes(p.weight + c, lanes) + load_lanes(p.bias + c, lanes), lanes);
    });
    s.mean[r] = mu;
    s.rstd[r] = scale;
  }
}

/// dx (may be null), and dweight and dbias of each chunk, [chunks,2,C].
template <class T>
void backward(const RowChunks& chunks, i64 C, const T* dy, const T* x, const float* weight, const float* mean,
              const float* rstd, T* dx, float* sums) {
#pragma omp parallel for schedule(static) if (chunks.count > 1)
  for (i64 chunk = 0; chunk < chunks.count; ++chunk) {
    std::fill_n(sums + chunk * 2 * C, 2 * C, 0.F);
    const Sums mine{sums + chunk * 2 * C, sums + (chunk * 2 + 1) * C};
    for (i64 r = chunks.begin(chunk); r < chunks.end(chunk); ++r)
      backward_row(C, dy + r * C, x + r * C, weight, mean[r], rstd[r], dx ? dx + r * C : nullptr, mine);
  }
}

}  // namespace

void CpuBackend::layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                            const Tensor& mean, const Tensor& rstd) {
  const i64 C = weight.numel();
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    forward(x.numel() / C, C, eps, x.data<T>(), {weight.data(), bias.data()}, y.data<T>(), {mean.data(), rstd.data()});
  });
}

void CpuBackend::layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                     const Tensor& rstd, const Tensor& dx, const Tensor& dweight, const Tensor& dbias) {
  const i64 C = weight.numel();
  const RowChunks chunks(x.numel() / C, C);
  const Storage partial({}, std::size_t(chunks.count * 2 * C) * sizeof(float));
  float* const sums = static_cast<float*>(partial.data);
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    backward(chunks, C, dy.data<T>(), x.data<T>(), weight.data(), mean.data(), rstd.data(), dx ? dx.data<T>() : nullptr,
             sums);
  });
  std::vector<double> total(std::size_t(2 * C));
  for (i64 chunk = 0; chunk < chunks.count; ++chunk) {
    for (i64 c = 0; c < 2 * C; ++c) total[std::size_t(c)] += double(sums[chunk * 2 * C + c]);
  }
  std::copy_n(total.begin(), C, dweight.data());
  std::copy_n(total.begin() + C, C, dbias.data());
}

}  // namespace md::MD_KERNELS
