// A register of floats, in GCC's portable vector extension: 16 lanes with AVX-512, 8 with AVX, 4 elsewhere (SSE, NEON).
// Wider ones than the machine has would compile, but pass through memory.
#pragma once
#include <cstring>

#include "engine/tensor.h"

namespace md {

#if defined(__AVX512F__)
constexpr i64 kLanes = 16;
#elif defined(__AVX__)
constexpr i64 kLanes = 8;
#else
constexpr i64 kLanes = 4;
#endif
using Vec [[gnu::vector_size(kLanes * sizeof(float))]] = float;
using IntVec [[gnu::vector_size(kLanes * sizeof(float))]] = std::int32_t;

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
/// The first n lanes; the others are 0 (not written).
inline Vec load_part(const float* p, i64 n) {
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}
inline void store_part(float* p, Vec v, i64 n) { std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(float)); }
inline Vec broadcast(float x) { return Vec{} + x; }
inline float sum_of_lanes(Vec v) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    IntVec rotated;
    for (int i = 0; i < kLanes; ++i) rotated[i] = (i + half) % int(kLanes);
    v += __builtin_shuffle(v, rotated);
  }
  return v[0];
}

}  // namespace md
