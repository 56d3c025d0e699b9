// Neighbouring numbers that a thread reads or writes in one access: a GPU moves 16 bytes with the instruction that
// moves four. Computed with as floats, whatever stores them: f32 or bf16. Device code.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "engine/bf16.h"
#include "engine/cuda/portable.h"
#include "engine/tensor.h"

namespace md::cuda {

/// kLanes floats in a row: 4, 2 or 1.
template <int kLanes>
struct alignas(kLanes * sizeof(float)) Pack {
  float lane[kLanes];
};

/// As many in memory.
template <class T, int kLanes>
struct alignas(kLanes * sizeof(T)) StoredPack {
  T lane[kLanes];
};

/// The numbers at `from`. REQUIRES: an address that divides by their bytes.
template <int kLanes, class T>
__device__ inline Pack<kLanes> load(const T* from) {
  const auto stored = *reinterpret_cast<const StoredPack<T, kLanes>*>(from);
  Pack<kLanes> pack;
  for (int i = 0; i < kLanes; ++i) pack.lane[i] = stored.lane[i];
  return pack;
}

/// A pack of these.
template <int kLanes>
__device__ inline Pack<kLanes> pack_of(const float (&lanes)[kLanes]) {
  Pack<kLanes> pack;
  for (int i = 0; i < kLanes; ++i) pack.lane[i] = lanes[i];
  return pack;
}

/// Writes them to `to`, an address as of load().
template <int kLanes, class T>
__device__ inline void store(T* to, const Pack<kLanes>& floats) {
  StoredPack<T, kLanes> stored;
  for (int i = 0; i < kLanes; ++i) stored.lane[i] = floats.lane[i];
  *reinterpret_cast<StoredPack<T, kLanes>*>(to) = stored;
}

/// Where a map begins, or null.
struct MapStart {
  template <class T>
  MapStart(const T* first) : takes_fours(reinterpret_cast<std::uintptr_t>(first) % alignof(StoredPack<T, 4>) == 0) {}
  bool takes_fours;
};

/// Calls fn.operator()<kLanes>() with the widest packs that rows of `length` numbers take in all of these maps.
template <class Fn>
void with_packs(i64 length, std::initializer_list<MapStart> maps, const Fn& fn) {
  bool fours = length % 4 == 0;
  for (const MapStart& map : maps) fours = fours && map.takes_fours;
  if (fours) return fn.template operator()<4>();
  fn.template operator()<1>();
}

}  // namespace md::cuda
