// A register of floats, in GCC's portable vector extension: 16 lanes with AVX-512, 8 with AVX, 4 elsewhere (SSE, NEON).
// Wider ones than the machine has would compile, but pass through memory.
#pragma once
#include <cstring>

#include "engine/cpu/kernel_set.h"
#include "engine/tensor.h"

namespace md::MD_KERNELS {

#if defined(__AVX512F__) || defined(MD_AVX512)
constexpr i64 kLanes = 16;  // floats in a register
#elif defined(__AVX__)
constexpr i64 kLanes = 8;  // floats in a register
#else
constexpr i64 kLanes = 4;  // floats in a register
#endif
using Vec [[gnu::vector_size(kLanes * sizeof(float))]] = float;
using IntVec [[gnu::vector_size(kLanes * sizeof(float))]] = std::int32_t;

/// A Vec or IntVec in a container. (Of a bare one, GCC 12 takes the alignment in the container's code from the
/// processor that the file is compiled for, not from the set's.)
template <class V>
struct Aligned {
  alignas(sizeof(V)) V v;
};

/// kLanes floats from any address, and back.
inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
/// The first n lanes; the others are 0 (not written).
#if defined(__AVX512F__) || defined(MD_AVX512)
inline Vec load_part(const float* p, i64 n) {
  return __builtin_ia32_loadups512_mask(p, Vec{}, static_cast<std::uint16_t>((1U << n) - 1));
}
inline void store_part(float* p, Vec v, i64 n) {
  __builtin_ia32_storeups512_mask(p, v, static_cast<std::uint16_t>((1U << n) - 1));
}
#else
inline Vec load_part(const float* p, i64 n) {
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}
inline void store_part(float* p, Vec v, i64 n) { std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(float)); }
#endif
/// The same of bf16, as engine/bf16.h converts one: exactly, and to the nearest.
using Bf16Vec [[gnu::vector_size(kLanes * sizeof(bf16))]] = std::uint16_t;
using UintVec [[gnu::vector_size(kLanes * sizeof(float))]] = std::uint32_t;
inline Vec widened(Bf16Vec halves) { return Vec(__builtin_convertvector(halves, UintVec) << 16U); }
inline Bf16Vec nearest_bf16(Vec v) {
  const UintVec bits = UintVec(v), nan = bits >> 16U | 0x40U, nearest = (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
  return __builtin_convertvector(v != v ? nan : nearest, Bf16Vec);
}
inline Vec load(const bf16* p) {
  Bf16Vec halves;
  std::memcpy(&halves, p, sizeof halves);
  return widened(halves);
}
inline void store(bf16* p, Vec v) {
  const Bf16Vec halves = nearest_bf16(v);
  std::memcpy(p, &halves, sizeof halves);
}
#if (defined(__AVX512BW__) && defined(__AVX512VL__)) || defined(MD_AVX512)
using ShortVec [[gnu::vector_size(kLanes * sizeof(bf16))]] = std::int16_t;
inline Vec load_part(const bf16* p, i64 n) {
  return widened(Bf16Vec(__builtin_ia32_loaddquhi256_mask(reinterpret_cast<const std::int16_t*>(p), ShortVec{},
                                                          static_cast<std::uint16_t>((1U << n) - 1))));
}
inline void store_part(bf16* p, Vec v, i64 n) {
  __builtin_ia32_storedquhi256_mask(reinterpret_cast<std::int16_t*>(p), ShortVec(nearest_bf16(v)),
                                    static_cast<std::uint16_t>((1U << n) - 1));
}
#else
inline Vec load_part(const bf16* p, i64 n) {
  Bf16Vec halves{};
  std::memcpy(&halves, p, static_cast<std::size_t>(n) * sizeof(bf16));
  return widened(halves);
}
inline void store_part(bf16* p, Vec v, i64 n) {
  const Bf16Vec halves = nearest_bf16(v);
  std::memcpy(p, &halves, static_cast<std::size_t>(n) * sizeof(bf16));
}
#endif
/// The first `lanes` of either type, which are mostly all.
template <class T>
Vec load_lanes(const T* p, i64 lanes) {
  return lanes == kLanes ? load(p) : load_part(p, lanes);
}
template <class T>
void store_lanes(T* p, Vec v, i64 lanes) {
  lanes == kLanes ? store(p, v) : store_part(p, v, lanes);
}
/// v's first n lanes, the others 0.
inline Vec first_lanes(Vec v, i64 n) {
  Vec kept{};
  std::memcpy(&kept, &v, static_cast<std::size_t>(n) * sizeof(float));
  return kept;
}
/// x in every lane. (x - 0 is x also for -0, which x + 0 is not: the compiler leaves out the subtraction.)
inline Vec broadcast(float x) { return x - Vec{}; }
inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
inline Vec total(Vec a, Vec b) { return a + b; }

using Lanes = std::make_index_sequence<std::size_t(kLanes)>;

/// Lane i becomes lane i + kBy, around the end.
template <int kBy, std::size_t... I>
inline Vec rotated(Vec v, std::index_sequence<I...>) {
  return __builtin_shufflevector(v, v, ((I + kBy) % kLanes)...);
}

/// combine(all lanes), in a tree whose shape is fixed.
template <int kHalf = int(kLanes) / 2, class Combine>
inline float fold_lanes(Vec v, const Combine& combine) {
  const Vec folded = combine(v, rotated<kHalf>(v, Lanes()));
  if constexpr (kHalf > 1) return fold_lanes<kHalf / 2>(folded, combine);
  return folded[0];
}
inline float sum_of_lanes(Vec v) { return fold_lanes(v, total); }
inline float max_of_lanes(Vec v) { return fold_lanes(v, larger); }

/// Of two rows, each cut into runs of kStep lanes: a's even runs, each with the even run of b behind it; and the odd
/// ones.
template <int kStep, std::size_t... I>
inline Vec even_runs(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I & kStep ? I - kStep + kLanes : I)...);
}
template <int kStep, std::size_t... I>
inline Vec odd_runs(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I & kStep ? I + kLanes : I + kStep)...);
}

/// A square of registers, mirrored at its diagonal: blocks of one lane inside blocks of two, those inside blocks of
/// four, ...
template <int kStep = 1>
inline void transpose_square(Vec (&rows)[kLanes]) {
  for (int i = 0; i < kLanes; ++i) {
    if (i & kStep) continue;
    const Vec a = rows[i], b = rows[i + kStep];
    rows[i] = even_runs<kStep>(a, b, Lanes());
    rows[i + kStep] = odd_runs<kStep>(a, b, Lanes());
  }
  if constexpr (2 * kStep < kLanes) transpose_square<2 * kStep>(rows);
}

/// e^x for x <= 0, to 2 ulp; below -87 it stays at e^-87, the smallest result that is not denormal. As 2^n e^r, n whole
/// and |r| <= ln(2)/2; ln(2) in two parts, so that n ln(2) is exact.
inline Vec exp_of_negative(Vec x) {
  constexpr float kRound = 12582912.F;  // 1.5 * 2^23: adding it leaves no bits behind the point
  x = larger(broadcast(-87.F), x);      // in this order a NaN stays one
  const Vec n = (x * 1.44269504F + kRound) - kRound;
  const Vec r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Vec p = broadcast(1.F / 5040);  // Taylor: |r|^8 / 8! < 6e-9
  for (const float c : {1.F / 720, 1.F / 120, 1.F / 24, 1.F / 6, 0.5F, 1.F, 1.F}) p = p * r + c;
  const IntVec power = (__builtin_convertvector(n, IntVec) + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

}  // namespace md::MD_KERNELS
