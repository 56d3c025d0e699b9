// Sixteen floats at a time, in GCC's portable vector extension: AVX-512 where the machine has it, narrower pieces of
// the same source elsewhere.
#pragma once
#include <cstring>

#include "engine/tensor.h"

namespace md {

constexpr i64 kLanes = 16;
typedef float Vec __attribute__((vector_size(64)));

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
/// The first n of 16 lanes; the others are 0 (not written).
inline Vec load_part(const float* p, i64 n) {
  Vec v{};
  std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}
inline void store_part(float* p, Vec v, i64 n) { std::memcpy(p, &v, static_cast<std::size_t>(n) * sizeof(float)); }
inline Vec broadcast(float x) { return Vec{} + x; }
inline float sum_of_lanes(Vec v) {
  typedef int Index __attribute__((vector_size(64)));
  v += __builtin_shuffle(v, Index{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
  v += __builtin_shuffle(v, Index{4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3});
  return (v[0] + v[2]) + (v[1] + v[3]);
}

}  // namespace md
