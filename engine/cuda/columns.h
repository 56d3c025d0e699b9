// Sums over the rows of x [R,C] on a GPU, and the walk over x that they share with the kernels that map it. A thread
// stays in one column, so that what belongs to a channel stays in its registers, and neighbouring threads read
// neighbouring addresses: a block covers several whole rows side by side (C <= 256) or 256 columns of one.
// Chunks of rows depend on the shape alone. Each is summed in float by one block, chunks are added in double, all in a
// fixed order and without atomics: the same bits on every run and every GPU. (CUB's segmented sums want contiguous
// segments, and its order depends on the GPU.)
#pragma once
#include <algorithm>

#include "engine/cuda/portable.h"
#include "engine/tensor.h"

namespace md::cuda {

constexpr int kBlock = 256;  // threads

struct Columns {
  Columns(i64 rows, i64 channels)
      : R(rows),
        C(channels),
        width(static_cast<int>(std::min<i64>(C, kBlock))),
        side(kBlock / width),
        tiles((C + width - 1) / width) {
    constexpr i64 kRowsOfThread = 32, kMostChunks = 1024;
    chunk = std::max(kRowsOfThread * side, (R + kMostChunks - 1) / kMostChunks);
    chunks = (R + chunk - 1) / chunk;
  }
  /// Of blocks over x [outer,R,C].
  dim3 grid(i64 outer = 1) const { return dim3(unsigned(outer * tiles), unsigned(chunks)); }

  i64 R, C;
  int width, side;        // columns and rows that a block reads at once
  i64 tiles;              // blocks from left to right
  i64 chunk{}, chunks{};  // rows of a block; blocks from top to bottom
};

/// Where this thread stands.
struct Place {
  __device__ explicit Place(const Columns& g)
      : outer(blockIdx.x / g.tiles),
        column(blockIdx.x % g.tiles * g.width + threadIdx.x % g.width),
        row(static_cast<int>(threadIdx.x) / g.width),
        active(row < g.side && column < g.C),
        begin(blockIdx.y * g.chunk),
        end(begin + g.chunk < g.R ? begin + g.chunk : g.R) {}

  /// Calls body(offset in x [outer,R,C], row) for this thread's elements of the chunk.
  template <class Body>
  __device__ void for_rows(const Columns& g, const Body& body) const {
    if (!active) return;
    for (i64 r = begin + row; r < end; r += g.side) body((outer * g.R + r) * g.C + column, r);
  }

  i64 outer, column;
  int row;      // of the rows side by side
  bool active;  // has a column
  i64 begin, end;
};

/// The sum of `value` over the block's threads of this column, for all of them.
__device__ inline float add_side_by_side(const Columns& g, const Place& at, float value) {
  __shared__ float held[kBlock];
  __syncthreads();  // the last call's sums have been read
  held[threadIdx.x] = value;
  int span = 1;
  while (span < g.side) span *= 2;
  for (span /= 2; span > 0; span /= 2) {
    __syncthreads();
    if (at.row < span && at.row + span < g.side) held[threadIdx.x] += held[threadIdx.x + span * g.width];
  }
  __syncthreads();
  return held[threadIdx.x % g.width];
}

/// partial [outer,chunks,kSums,C]: sums over each chunk of what `terms.of(column)(offset, row, sums)` adds.
template <int kSums, class Terms>
__global__ void sum_chunks(Columns g, Terms terms, float* partial) {
  const Place at(g);
  float sums[kSums] = {};
  if (at.active) {
    const auto term = terms.of(at.column);
    at.for_rows(g, [&](i64 offset, i64 row) { term(offset, row, sums); });
  }
  for (int s = 0; s < kSums; ++s) {
    const float sum = add_side_by_side(g, at, sums[s]);
    if (at.active && at.row == 0) {
      partial[((at.outer * g.chunks + blockIdx.y) * kSums + s) * g.C + at.column] = sum;
    }
  }
}

/// A second, small grid adds the chunks: 32 columns a block, 8 threads each.
constexpr int kAcross = 32, kDown = 8;
inline dim3 chunk_grid(const Columns& g, i64 outer = 1) {
  return dim3(unsigned(outer * ((g.C + kAcross - 1) / kAcross)));
}
inline dim3 chunk_block() { return dim3(kAcross, kDown); }

/// Where a thread of that second grid stands.
struct ChunkPlace {
  __device__ explicit ChunkPlace(const Columns& g) {
    const i64 tiles = (g.C + kAcross - 1) / kAcross;
    outer = blockIdx.x / tiles;
    column = blockIdx.x % tiles * kAcross + threadIdx.x;
    active = column < g.C;
    first = active && threadIdx.y == 0;
  }
  i64 outer, column;
  bool active;
  bool first;  // the one thread of the column that writes
};

/// The sum of value(chunk) over all chunks, for all threads of the column.
template <class Value>
__device__ double add_chunks(const Columns& g, const ChunkPlace& at, const Value& value) {
  __shared__ double held[kDown][kAcross];
  double sum = 0;
  for (i64 chunk = threadIdx.y; at.active && chunk < g.chunks; chunk += kDown) sum += value(chunk);
  __syncthreads();  // the last call's sums have been read
  held[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int y = 0; y < kDown; ++y) sum += held[y][threadIdx.x];
  return sum;
}

}  // namespace md::cuda
