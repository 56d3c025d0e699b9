// Arithmetic: many independent chains of multiply-adds that never leave the registers, on every thread at once. They
// cannot be optimised away: each chain starts from its own values in memory, which the functions, being noipa, know
// nothing about; floating point may not be reassociated without -ffast-math; all chains end in a sum that is looked at.
// Chains that start alike the compiler may compute once: that made 588 GFLOP/s out of 236. mdbench_test holds the
// figure against the best matrix product.
//
// Memory: a += b over arrays of 128 MiB on huge pages, far beyond the caches. Each line of `a` is read before it is
// written, so the 12 bytes counted an element are all that moves. (A plain write moves its line twice: the processor
// reads it first; and reading alone reaches less, 65 GB/s beside 92 on two Zen 4 cores.)
#include "tools/bench/bench_peaks.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/backend.h"
#include "tools/cli/clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace md {
namespace {

constexpr int kMostFloats = 512;  // that a kernel starts from
constexpr i64 kRounds = 1 << 19;  // milliseconds: short enough to fall between other programs' turns
constexpr i64 kSide = 480;        // of the matrices: a millisecond on two cores

/// Does kRounds rounds on every chain, from start [kMostFloats] on; the sum of where they end.
using Chains = float (*)(const float* start);

struct Kernel {
  const char* instructions;
  bool available;
  Chains run;
  double flops;  // of one call
};

float sum_of(const float* ends, int count) { return std::accumulate(ends, ends + count, 0.F); }

/// In the compiler's own vectors: NEON, SSE. NEON's multiply-adds take four cycles, and some processors start four in
/// each.
[[gnu::noipa]] float generic_chains(const float* start) {
  using Vec4 [[gnu::vector_size(16)]] = float;
  constexpr int kChains = 20;
  Vec4 x[kChains];
  std::memcpy(x, start, sizeof x);
  const Vec4 factor = Vec4{} + start[0], addend = Vec4{} + start[1];
  for (i64 round = 0; round < kRounds; ++round) {
#pragma GCC unroll 20
    for (int c = 0; c < kChains; ++c) x[c] = x[c] * factor + addend;
  }
  float ends[4 * kChains];
  std::memcpy(ends, x, sizeof x);
  return sum_of(ends, 4 * kChains);
}
const Kernel kGeneric{"the compiler's vectors", true, generic_chains, 2. * 4 * 20 * kRounds};

#if defined(__x86_64__)
constexpr int kChains = 12;  // hides four to six cycles at two a cycle, and leaves four of AVX2's 16 registers

[[gnu::noipa, gnu::target("avx2,fma")]] float avx2_chains(const float* start) {
  __m256 x[kChains];
  for (int c = 0; c < kChains; ++c) x[c] = _mm256_loadu_ps(start + 8 * c);
  const __m256 factor = _mm256_set1_ps(start[0]), addend = _mm256_set1_ps(start[1]);
  for (i64 round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) x[c] = _mm256_fmadd_ps(x[c], factor, addend);
  }
  float ends[8 * kChains];
  for (int c = 0; c < kChains; ++c) _mm256_storeu_ps(ends + 8 * c, x[c]);
  return sum_of(ends, 8 * kChains);
}

[[gnu::noipa, gnu::target("avx512f")]] float avx512_chains(const float* start) {
  __m512 x[kChains];
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_loadu_ps(start + 16 * c);
  const __m512 factor = _mm512_set1_ps(start[0]), addend = _mm512_set1_ps(start[1]);
  for (i64 round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) x[c] = _mm512_fmadd_ps(x[c], factor, addend);
  }
  float ends[16 * kChains];
  for (int c = 0; c < kChains; ++c) _mm512_storeu_ps(ends + 16 * c, x[c]);
  return sum_of(ends, 16 * kChains);
}

/// Each lane adds two products.
[[gnu::noipa, gnu::target("avx512f,avx512bf16")]] float bf16_chains(const float* start) {
  __m512 x[kChains];
  for (int c = 0; c < kChains; ++c) x[c] = _mm512_loadu_ps(start + 16 * c);
  const __m512bh a = _mm512_cvtne2ps_pbh(x[0], x[1]), b = _mm512_cvtne2ps_pbh(x[2], x[3]);
  for (i64 round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) x[c] = _mm512_dpbf16_ps(x[c], a, b);
  }
  float ends[16 * kChains];
  for (int c = 0; c < kChains; ++c) _mm512_storeu_ps(ends + 16 * c, x[c]);
  return sum_of(ends, 16 * kChains);
}

Kernel best_f32() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const Kernel by_width[] = {
      {"AVX-512", bool(__builtin_cpu_supports("avx512f")), avx512_chains, 2. * 16 * kChains * kRounds},
      {"AVX2", avx2, avx2_chains, 2. * 8 * kChains * kRounds},
      kGeneric};
  return *std::find_if(std::begin(by_width), std::end(by_width), [](const Kernel& k) { return k.available; });
}

Kernel best_bf16() {
  if (!__builtin_cpu_supports("avx512bf16")) return {"none", false, nullptr, 0};
  return {"AVX-512-bf16", true, bf16_chains, 4. * 16 * kChains * kRounds};
}
#else
Kernel best_f32() { return kGeneric; }
Kernel best_bf16() { return {"none", false, nullptr, 0}; }
#endif

/// Of all threads together, from the first one's start to the last one's end.
double seconds_of_chains(const Kernel& kernel, const float* start) {
  double begin_s = std::numeric_limits<double>::infinity(), end_s = 0;
  float ends = 0;
#pragma omp parallel reduction(min : begin_s) reduction(max : end_s) reduction(+ : ends)
  {
#pragma omp barrier  // all threads are awake
    begin_s = now_s();
    ends = kernel.run(start);
    end_s = now_s();
  }
  MD_CHECK(std::isfinite(ends), "multiply-adds by ", kernel.instructions, " ended in ", ends);
  return end_s - begin_s;
}
double flops_of_all(const Kernel& kernel) { return kernel.flops * omp_get_max_threads(); }

}  // namespace

PeakMeter::PeakMeter() : start_(kMostFloats) {
  constexpr i64 kElements = 1 << 25;
  for (int i = 0; i < kMostFloats; ++i) start_[std::size_t(i)] = 0.5F + 0.0001F * float(i);
  a_ = Tensor::full({kSide, kSide}, 0.5F);
  b_ = Tensor::full({kSide, kSide}, 0.25F);
  product_ = Tensor::zeros({kSide, kSide});
  sum_ = Tensor::full({kElements}, 1.F);
  addend_ = Tensor::full({kElements}, 1e-3F);
  best_.f32_by = best_f32().instructions;
  best_.bf16_by = best_bf16().instructions;
  for (int i = 0; i < 5; ++i) try_again();
}

void PeakMeter::try_again() {
  Backend& cpu = backend(Device{});
  const auto raise = [](double& best, double work, double seconds) { best = std::max(best, work / seconds); };
  const auto seconds_of = [](const auto& work) {
    const double start_s = now_s();
    work();
    return now_s() - start_s;
  };
  const Kernel f32 = best_f32(), bf16 = best_bf16();
  raise(best_.flops, flops_of_all(f32), seconds_of_chains(f32, start_.data()));
  raise(best_.product_flops, 2. * kSide * kSide * kSide, seconds_of([&] { cpu.gemm({}, a_, b_, {}, product_); }));
  if (bf16.available) raise(best_.bf16_flops, flops_of_all(bf16), seconds_of_chains(bf16, start_.data()));
  raise(best_.bytes, double(2 * sum_.bytes() + addend_.bytes()), seconds_of([&] { cpu.add_into(sum_, addend_); }));
}

}  // namespace md
