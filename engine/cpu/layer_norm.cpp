// Layer norm of the rows of x [R,C], one pass each way over memory. Every row is summed in the same order whatever the
// thread; the sums over rows run in chunks fixed by the shape, in float, and over chunks in double.
//   y  = xhat * weight + bias,  xhat = (x - mean) * rstd,  rstd = 1 / sqrt(biased variance + eps)
//   g  = dy * weight;  dx = rstd * (g - mean(g) - xhat * mean(g * xhat))
//   dweight = sum over rows of dy * xhat;  dbias = sum over rows of dy
#include <algorithm>
#include <cmath>

#include "engine/cpu/cpu_backend.h"

namespace md::MD_KERNELS {
namespace {

/// Rows [begin(c), end(c)) of chunk c; about 64 KiB of x.
struct RowChunks {
  RowChunks(i64 rows, i64 row) : R(rows), size(std::max<i64>(1, 16384 / row)), count((rows + size - 1) / size) {}
  i64 begin(i64 c) const { return c * size; }
  i64 end(i64 c) const { return std::min(R, (c + 1) * size); }
  i64 R, size, count;
};

struct Moments {
  float mean, rstd;
};

/// The mean in two steps, the second about the first, and the variance about the first: exact also for rows far from
/// zero.
Moments moments_of(const float* x, i64 C, float eps) {
  float sum = 0.F, off_sum = 0.F, squares = 0.F;
#pragma omp simd reduction(+ : sum)
  for (i64 c = 0; c < C; ++c) sum += x[c];
  const float about = sum / float(C);
#pragma omp simd reduction(+ : off_sum, squares)
  for (i64 c = 0; c < C; ++c) {
    const float off = x[c] - about;
    off_sum += off;
    squares += off * off;
  }
  const float off = off_sum / float(C);
  return {about + off, 1.F / std::sqrt(std::max(0.F, squares / float(C) - off * off) + eps)};
}

struct Sums {
  float *dweight, *dbias;  // [C] of one chunk
};

/// dx of one row, and its part of the sums over rows.
void backward_row(i64 C, const float* dy, const float* x, const float* weight, float mean, float rstd, float* dx,
                  const Sums& sums) {
  float g_sum = 0.F, gx_sum = 0.F;
#pragma omp simd reduction(+ : g_sum, gx_sum)
  for (i64 c = 0; c < C; ++c) {
    const float xhat = (x[c] - mean) * rstd, g = dy[c] * weight[c];
    g_sum += g;
    gx_sum += g * xhat;
    sums.dweight[c] += dy[c] * xhat;
    sums.dbias[c] += dy[c];
  }
  if (dx == nullptr) return;
  const float g_mean = g_sum / float(C), gx_mean = gx_sum / float(C);
#pragma omp simd
  for (i64 c = 0; c < C; ++c) dx[c] = rstd * (dy[c] * weight[c] - g_mean - (x[c] - mean) * rstd * gx_mean);
}

}  // namespace

void CpuBackend::layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                            const Tensor& mean, const Tensor& rstd) {
  const i64 C = weight.numel(), R = x.numel() / C;
  const float *px = x.data(), *pw = weight.data(), *pb = bias.data();
  float *py = y.data(), *pm = mean.data(), *pr = rstd.data();
#pragma omp parallel for schedule(static) if (R * C > 16384)
  for (i64 r = 0; r < R; ++r) {
    const float* row = px + r * C;
    const auto [mu, scale] = moments_of(row, C, eps);
    float* out = py + r * C;
#pragma omp simd
    for (i64 c = 0; c < C; ++c) out[c] = (row[c] - mu) * scale * pw[c] + pb[c];
    pm[r] = mu;
    pr[r] = scale;
  }
}

void CpuBackend::layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                     const Tensor& rstd, const Tensor& dx, const Tensor& dweight, const Tensor& dbias) {
  const i64 C = weight.numel();
  const RowChunks chunks(x.numel() / C, C);
  const float *pdy = dy.data(), *px = x.data(), *pw = weight.data(), *pm = mean.data(), *pr = rstd.data();
  float* const pdx = dx ? dx.data() : nullptr;
  std::vector<float> partial(std::size_t(chunks.count * 2 * C));  // dweight and dbias of each chunk
  float* const sums = partial.data();
#pragma omp parallel for schedule(static) if (chunks.count > 1)
  for (i64 chunk = 0; chunk < chunks.count; ++chunk) {
    const Sums mine{sums + chunk * 2 * C, sums + (chunk * 2 + 1) * C};
    for (i64 r = chunks.begin(chunk); r < chunks.end(chunk); ++r)
      backward_row(C, pdy + r * C, px + r * C, pw, pm[r], pr[r], pdx ? pdx + r * C : nullptr, mine);
  }
  for (i64 c = 0; c < C; ++c) {
    double w = 0, b = 0;
    for (i64 chunk = 0; chunk < chunks.count; ++chunk) {
      w += double(sums[chunk * 2 * C + c]);
      b += double(sums[(chunk * 2 + 1) * C + c]);
    }
    dweight.data()[c] = float(w);
    dbias.data()[c] = float(b);
  }
}

}  // namespace md::MD_KERNELS
