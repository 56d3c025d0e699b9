// Neighbouring floats that a thread reads or writes in one access: a GPU moves 16 bytes with the instruction that moves
// four. Device code.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "engine/cuda/portable.h"
#include "engine/tensor.h"

namespace md::cuda {

/// kLanes floats in a row: 4, 2 or 1.
template <int kLanes>
struct alignas(kLanes * sizeof(float)) Pack {
  float lane[kLanes];
};

/// The floats at `from`. REQUIRES: an address that divides by their bytes.
template <int kLanes>
__device__ inline Pack<kLanes> load(const float* from) {
  return *reinterpret_cast<const Pack<kLanes>*>(from);
}

/// A pack of these.
template <int kLanes>
__device__ inline Pack<kLanes> pack_of(const float (&lanes)[kLanes]) {
  Pack<kLanes> pack;
  for (int i = 0; i < kLanes; ++i) pack.lane[i] = lanes[i];
  return pack;
}

/// Writes them to `to`, an address as of load().
template <int kLanes>
__device__ inline void store(float* to, const Pack<kLanes>& floats) {
  *reinterpret_cast<Pack<kLanes>*>(to) = floats;
}

/// Whether rows of `length` floats from `start` on can all be read in packs of four; so can null.
inline bool in_fours(i64 length, const float* start) {
  return length % 4 == 0 && reinterpret_cast<std::uintptr_t>(start) % alignof(Pack<4>) == 0;
}

/// Calls fn.operator()<kLanes>() with the widest packs that rows of `length` floats take in all of these maps.
template <class Fn>
void with_packs(i64 length, std::initializer_list<const float*> maps, const Fn& fn) {
  bool fours = true;
  for (const float* map : maps) fours = fours && in_fours(length, map);
  if (fours) return fn.template operator()<4>();
  fn.template operator()<1>();
}

}  // namespace md::cuda
