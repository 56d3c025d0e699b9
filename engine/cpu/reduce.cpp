// Sum along one axis of [outer, axis, inner], plain or weighted. Fixed chunks in float, chunks in double.
#include "engine/cpu/channel_sums.h"
#include "engine/cpu/cpu_backend.h"

namespace md::MD_KERNELS {
namespace {

/// One chunk of rows into sums[C]; acc [width] is scratch, or `sums` itself where rows are not folded.
template <bool kWeighted, class T>
void sum_chunk(const RowWalk& w, i64 chunk, const T* x, const T* factor, float* acc, float* sums) {
  std::fill_n(acc, w.width, 0.F);
  for_each_wide_row(w, w.begin(chunk), w.end(chunk), [x, factor, acc](i64 at, i64 n) {
#pragma omp simd
    for (i64 i = 0; i < n; ++i) acc[i] += kWeighted ? x[at + i] * factor[at + i] : float(x[at + i]);
  });
  if (acc != sums) unfold(acc, w, sums);
}

constexpr i64 kColumns = 64;  // added side by side

/// The sums of at most kColumns columns over chunks that are `row` floats apart.
void add_chunks(const float* partial, i64 chunks, i64 row, i64 columns, float* y) {
  double sums[kColumns] = {};
  for (i64 c = 0; c < chunks; ++c) {
    for (i64 i = 0; i < columns; ++i) sums[i] += static_cast<double>(partial[c * row + i]);
  }
  std::copy_n(sums, columns, y);
}

/// The sums of each chunk of each of the `outer` parts, [outer,chunks,inner].
template <class T>
void sum_chunks(const RowWalk& walk, i64 outer, const T* x, const T* factor, float* partial) {
  const i64 chunks = walk.chunks, size = walk.R * walk.C;
  Scratch scratch(static_cast<std::size_t>(walk.width));
#pragma omp parallel for schedule(static) if (outer * size > 32768)
  for (i64 t = 0; t < outer * chunks; ++t) {
    const i64 at = t / chunks * size;
    float *const sums = partial + t * walk.C, *const acc = walk.fold == 1 ? sums : scratch.mine().data();
    if (factor) {
      sum_chunk<true>(walk, t % chunks, x + at, factor + at, acc, sums);
    } else {
      sum_chunk<false>(walk, t % chunks, x + at, factor, acc, sums);
    }
  }
}

}  // namespace

void CpuBackend::reduce_sum(const Tensor& x, const Tensor& factor, i64 outer, i64 axis, i64 inner, const Tensor& y) {
  const RowWalk walk(axis, inner);
  const i64 chunks = walk.chunks;
  const Storage memory({}, static_cast<std::size_t>(outer * chunks * inner) * sizeof(float));
  float* const partial = static_cast<float*>(memory.data);
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    sum_chunks(walk, outer, x.data<T>(), factor ? factor.data<T>() : nullptr, partial);
  });
  float* const py = y.data();
#pragma omp parallel for collapse(2) schedule(static) if (outer * chunks * inner > 32768)
  for (i64 o = 0; o < outer; ++o) {
    for (i64 first = 0; first < inner; first += kColumns) {
      add_chunks(partial + o * chunks * inner + first, chunks, inner, std::min(kColumns, inner - first),
                 py + o * inner + first);
    }
  }
}

}  // namespace md::MD_KERNELS
