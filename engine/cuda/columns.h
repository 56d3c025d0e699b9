// Sums over the rows of x [outer,R,C] on a GPU, and the walk over x that they share with the kernels that map it. A
// thread stays in one column of packs (pack.h), so that what belongs to a channel stays in its registers; neighbouring
// threads read neighbouring addresses, and several rows are on their way at once. Chunks of rows depend on the shape
// alone. Each is summed in float by one block; the block that ends last (arrivals.h) adds the chunks in double, in
// their order: the same bits on every run. (CUB's segmented sums want contiguous segments, and its order depends on the
// GPU.)
#pragma once
#include <algorithm>
#include <type_traits>

#include "engine/cuda/arrivals.h"
#include "engine/cuda/pack.h"

namespace md::cuda {

constexpr int kBlock = 256;  // threads

/// How a grid of blocks of kBlock threads covers x [outer,R,C].
struct Columns {
  /// How much a block takes.
  struct Limits {
    int packs;        // at most, from left to right
    int rows;         // of a thread, at least
    int most_blocks;  // where threads can take more rows
  };
  /// For sums: narrow, because few channels are few sums for the last block; enough blocks to fill a GPU.
  static constexpr Limits kSums{8, 8, 512};
  /// For maps: wide.
  static constexpr Limits kMaps{32, 4, 2048};

  Columns(i64 outer_, i64 rows, i64 channels, int lanes, const Limits& limits) : outer(outer_), R(rows), C(channels) {
    const i64 packs = C / lanes;
    tiles = unsigned((packs + limits.packs - 1) / limits.packs);
    width = int((packs + tiles - 1) / tiles);
    if (tiles > 1) width += width % 2;  // whole sectors of 32 bytes
    side = kBlock / width;
    const i64 unit = i64(limits.rows) * side, wanted = std::max<i64>(1, limits.most_blocks / (outer * tiles));
    chunk = ((R + wanted - 1) / wanted + unit - 1) / unit * unit;
    chunks = unsigned((R + chunk - 1) / chunk);
  }
  /// One block for each tile of each outer index and chunk.
  dim3 grid() const { return dim3(unsigned(outer * tiles), chunks); }

  i64 outer, R, C;
  i64 chunk{};                 // rows of a block
  unsigned chunks{}, tiles{};  // blocks from top to bottom, and from left to right
  int width{}, side{};         // packs and rows that a block reads at once
};

static_assert(Columns::kSums.most_blocks / (kMostGroups + 1) < 2, "more groups have one block each, which counts none");

/// Where this thread stands.
template <int kLanes>
struct Place {
  __device__ explicit Place(const Columns& g)
      : group(blockIdx.x),
        outer(blockIdx.x / g.tiles),
        across(int(threadIdx.x) % g.width),
        row(int(threadIdx.x) / g.width),
        column(i64(blockIdx.x % g.tiles * unsigned(g.width) + unsigned(across)) * kLanes),
        active(row < g.side && column < g.C),
        begin(blockIdx.y * g.chunk),
        end(begin + g.chunk < g.R ? begin + g.chunk : g.R) {}

  /// Loads kAtOnce of the thread's rows of the chunk, then has them used, until there are none: load(offset in x, row)
  /// gives what use(offset, row, loaded) gets. Loads wait for nothing but the use before them.
  template <int kAtOnce, class Load, class Use>
  __device__ void for_rows(const Columns& g, const Load& load, const Use& use) const {
    for_batches<kAtOnce>(g, load, [&](i64 r, const auto& loaded, auto count) {
      for (int k = 0; k < kAtOnce; ++k) {
        const i64 at = r + i64(k) * g.side;
        if (k < count) use((outer * g.R + at) * g.C + column, at, loaded[k]);
      }
    });
  }

  /// As for_rows, but use(first row, loaded [kAtOnce], count) gets them together; they are g.side rows apart.
  template <int kAtOnce, class Load, class Use>
  __device__ void for_batches(const Columns& g, const Load& load, const Use& use) const {
    if (!active) return;
    const i64 step = i64(kAtOnce) * g.side;
    i64 r = begin + row;
    for (; r + step - g.side < end; r += step) batch<kAtOnce>(g, r, load, use, std::integral_constant<int, kAtOnce>());
    if (r < end) batch<kAtOnce>(g, r, load, use, int((end - r + g.side - 1) / g.side));
  }

  /// Sums of columns that this thread writes.
  __device__ bool first() const { return active && row == 0; }

  unsigned group;  // of the blocks that sum the same columns
  i64 outer;
  int across, row;  // of the packs and rows side by side
  i64 column;       // of its first lane
  bool active;      // has a column
  i64 begin, end;

 private:
  template <int kAtOnce, class Load, class Use, class Count>
  __device__ void batch(const Columns& g, i64 r, const Load& load, const Use& use, Count count) const {
    decltype(load(i64(), i64())) loaded[kAtOnce] = {};
    for (int k = 0; k < kAtOnce; ++k) {
      const i64 at = r + i64(k) * g.side;
      if (k < count) loaded[k] = load((outer * g.R + at) * g.C + column, at);
    }
    use(r, loaded, count);
  }
};

/// Each value becomes its sum over the block's threads of this column.
template <class T, int kSums, int kLanes>
__device__ void add_side_by_side(const Columns& g, const Place<kLanes>& at, T (&values)[kSums][kLanes]) {
  __shared__ T held[kSums][kLanes][kBlock];
  const auto each = [&](const auto& body) {
    for (int s = 0; s < kSums; ++s) {
      for (int lane = 0; lane < kLanes; ++lane) body(held[s][lane], values[s][lane]);
    }
  };
  __syncthreads();  // the last call's sums have been read
  each([](T(&column)[kBlock], T value) { column[threadIdx.x] = value; });
  int span = 1;
  while (span < g.side) span *= 2;
  for (span /= 2; span > 0; span /= 2) {
    __syncthreads();
    if (at.row < span && at.row + span < g.side)
      each([&](T(&column)[kBlock], T) { column[threadIdx.x] += column[int(threadIdx.x) + span * g.width]; });
  }
  __syncthreads();
  each([&](const T(&column)[kBlock], T& value) { value = column[at.across]; });
}

/// Where the sums of a chunk stand in partial [outer,chunks,kSums,C].
template <int kSums, int kLanes>
__device__ i64 partial_offset(const Columns& g, const Place<kLanes>& at, i64 chunk, int sum) {
  return ((at.outer * g.chunks + chunk) * kSums + sum) * g.C + at.column;
}

/// Puts the sums of this block's chunk into partial. True for the last block of its group, which then gets the totals
/// over the chunks of what add(chunk, its sums, totals) makes of them.
template <int kSums, int kLanes, class Add>
__device__ bool add_chunks(const Columns& g, const Place<kLanes>& at, const float (&sums)[kSums][kLanes],
                           float* partial, double (&totals)[kSums][kLanes], const Add& add) {
  for (int s = 0; s < kSums && at.first(); ++s)
    store(partial + partial_offset<kSums>(g, at, blockIdx.y, s), pack_of(sums[s]));
  if (!last_of_group(at.group, g.chunks)) return false;
  for (i64 chunk = at.row; chunk < (at.active ? g.chunks : 0); chunk += g.side) {
    Pack<kLanes> of_chunk[kSums];
    for (int s = 0; s < kSums; ++s) of_chunk[s] = load<kLanes>(partial + partial_offset<kSums>(g, at, chunk, s));
    add(chunk, of_chunk, totals);
  }
  add_side_by_side(g, at, totals);
  return true;
}

/// finish(outer, column, its sums) gets, for every column, the sums over all rows of what terms.of(first column).add(
/// loaded, sums [kSums][kLanes]) adds of what load(offset, row) there has loaded. partial [outer,chunks,kSums,C].
template <int kSums, int kLanes, class Terms, class Finish>
__global__ void sum_columns(Columns g, Terms terms, float* partial, Finish finish) {
  const Place<kLanes> at(g);
  float sums[kSums][kLanes] = {};
  if (at.active) {
    const auto of_column = terms.of(at.column);
    at.template for_rows<Terms::kAtOnce>(
        g, [&](i64 offset, i64 row) { return of_column.load(offset, row); },
        [&](i64, i64, const auto& loaded) { of_column.add(loaded, sums); });
  }
  add_side_by_side(g, at, sums);
  double totals[kSums][kLanes] = {};
  const auto add = [](i64, const Pack<kLanes>(&of_chunk)[kSums], double(&all)[kSums][kLanes]) {
    for (int s = 0; s < kSums; ++s) {
      for (int lane = 0; lane < kLanes; ++lane) all[s][lane] += static_cast<double>(of_chunk[s].lane[lane]);
    }
  };
  if (!add_chunks(g, at, sums, partial, totals, add) || !at.first()) return;
  for (int lane = 0; lane < kLanes; ++lane) {
    double of_lane[kSums];
    for (int s = 0; s < kSums; ++s) of_lane[s] = totals[s][lane];
    finish(at.outer, at.column + lane, of_lane);
  }
}

/// Terms that are the elements of x, kTermsAtOnce rows on their way at once.
template <class T, int kLanes, int kTermsAtOnce>
struct PlainTerms {
  static constexpr int kAtOnce = kTermsAtOnce;
  const T* x;
  __device__ const PlainTerms& of(i64) const { return *this; }
  __device__ Pack<kLanes> load(i64 at, i64) const { return cuda::load<kLanes>(x + at); }
  __device__ void add(const Pack<kLanes>& v, float (&sums)[1][kLanes]) const {
    for (int lane = 0; lane < kLanes; ++lane) sums[0][lane] += v.lane[lane];
  }
};

/// Sums over the rows of x [outer,R,C]; see the kernel.
template <int kSums, int kLanes, class Terms, class Finish>
void launch_sums(Device device, i64 outer, i64 rows, i64 channels, const Terms& terms, const Finish& finish) {
  const Columns g(outer, rows, channels, kLanes, Columns::kSums);
  const Tensor partial = Tensor::empty({outer, g.chunks, kSums, channels}, device);
  launch_kernel(sum_columns<kSums, kLanes, Terms, Finish>, g.grid(), kBlock, 0, runtime().compute, g, terms,
                partial.data(), finish);
}

}  // namespace md::cuda
