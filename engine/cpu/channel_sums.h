// Sums over the rows of x [R,C], one or two per channel: the shape of every reduction of a channels-last network.
// Rows are cut into chunks whose size depends on C alone, each chunk is summed in float, chunks are added in double in
// order: accurate, and the same with any number of threads. Narrow rows (C < 64) are walked several at a time so that
// the inner loop fills a vector.
#pragma once
#include <algorithm>
#include <vector>

#include "engine/cpu/kernel_set.h"
#include "engine/cpu/per_thread.h"
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {

/// How rows are walked: `fold` neighbouring rows as one of `width` = fold*C elements.
struct RowWalk {
  RowWalk(i64 rows, i64 channels)
      : R(rows), C(channels), fold(channels >= 64 ? 1 : 64 / channels), width(fold * channels) {
    // About 64 KiB of x a chunk: a second look at it finds it in the cache.
    chunk = std::max<i64>(1, 16384 / width) * fold;
    chunks = (R + chunk - 1) / chunk;
  }
  i64 begin(i64 c) const { return c * chunk; }
  i64 end(i64 c) const { return std::min(R, (c + 1) * chunk); }

  i64 R, C, fold, width, chunk, chunks;
};

/// Partial sums of a thread.
using Scratch = PerThread<std::vector<float>>;

/// Calls body(element offset, count) for the rows [begin, end): `width` elements at a time, then what is left.
template <class Body>
inline void for_each_wide_row(const RowWalk& w, i64 begin, i64 end, const Body& body) {
  const i64 wide_end = begin + (end - begin) / w.fold * w.fold;
  for (i64 r = begin; r < wide_end; r += w.fold) body(r * w.C, w.width);
  for (i64 r = wide_end; r < end; ++r) body(r * w.C, w.C);
}

/// The same in blocks of at most kRowBlock elements: body(element offset, column of its first, count).
constexpr i64 kRowBlock = 512;
template <class Body>
inline void for_each_block(const RowWalk& w, i64 begin, i64 end, const Body& body) {
  for_each_wide_row(w, begin, end, [&body](i64 at, i64 n) {
    for (i64 i = 0; i < n; i += kRowBlock) body(at + i, i, std::min(kRowBlock, n - i));
  });
}

/// A block of a map as floats, for loops that the compiler makes vectors of: over bf16, rounded one by one, it makes
/// none (GCC 12). Floats are read and written where they are.
template <class T>
struct BlockFloats;
template <>
struct BlockFloats<float> {
  const float* read(const float* from, i64) { return from; }
  float* target(float* to) { return to; }
  void write(float*, i64) const {}
};
template <>
struct BlockFloats<bf16> {
  const float* read(const bf16* from, i64 count) {
    i64 i = 0;
    for (; i + kLanes <= count; i += kLanes) store(floats + i, load(from + i));
    if (i < count) store(floats + i, load_part(from + i, count - i));
    return floats;
  }
  float* target(bf16*) { return floats; }
  /// What the loop left in target().
  void write(bf16* to, i64 count) const {
    i64 i = 0;
    for (; i + kLanes <= count; i += kLanes) store(to + i, load(floats + i));
    if (i < count) store_part(to + i, load(floats + i), count - i);
  }
  alignas(64) float floats[kRowBlock];
};

/// `values` repeated `fold` times, for kernels that walk wide rows: [C] -> [width].
inline void tile(const float* values, const RowWalk& w, float* wide) {
  for (i64 i = 0; i < w.width; ++i) wide[i] = values[i % w.C];
}
inline std::vector<float> tile(const float* values, const RowWalk& w) {
  std::vector<float> wide(static_cast<std::size_t>(w.width));
  tile(values, w, wide.data());
  return wide;
}

/// The other way: sums of the folded columns, [width] -> [C], added in order.
inline void unfold(const float* wide, const RowWalk& w, float* sums) {
  for (i64 c = 0; c < w.C; ++c) {
    float s = 0.F;
    for (i64 f = 0; f < w.fold; ++f) s += wide[f * w.C + c];
    sums[c] = s;
  }
}

}  // namespace md::MD_KERNELS
