// Window attention on a GPU: a block takes one head of a window (the formulas are in engine/cpu/window_attention.cpp).
// Queries, keys, values and scores live in shared memory only; backward computes the scores again. In f32 a thread
// computes 4x4 elements of a product in registers, from 16 bytes of shared memory at a time: one load for two
// multiplications. In TF32, and of bf16 maps, a warp computes 16x8 of them on tensor cores in TF32, where heads have
// multiples of 8 channels. The
// 49 tokens are padded to 52 with zeros. A block of a gradient takes a few windows one after the other and adds up in
// float what belongs to no window; then blocks are added.
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/pack.h"
#include "engine/cuda/tensor_cores.h"
#include "engine/cuda/warp.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "engine/windows.h"

namespace md {
namespace {

using cuda::kAllLanes;
using cuda::kWarp;
using cuda::load;
using cuda::max_of_warp;
using cuda::Pack;
using cuda::store;
using cuda::sum_of_warp;

constexpr int kTokens = static_cast<int>(kWindowTokens), kPairs = kTokens * kTokens;
constexpr int kTile = 4, kTiles = (kTokens + kTile - 1) / kTile;  // tokens of a tile, and tiles of a window
constexpr int kRows = kTile * kTiles, kScores = kRows * kRows;    // of a matrix; floats of scores [52,52]
constexpr int kThreads = 192;       // one for each of 13x13 tiles of scores, in whole warps
constexpr i64 kWindowsOfBlock = 4;  // of a gradient

/// How products are computed, and how many numbers are read and written at once.
template <int kLanesAtOnce, bool kOnTensorCores>
struct Way {
  static constexpr int kLanes = kLanesAtOnce;
  static constexpr bool kTensorCores = kOnTensorCores;
  /// A number as a factor of products.
  __device__ static float factor(float x) {
    if constexpr (kTensorCores) return cuda::round_to_tf32(x);
    return x;
  }
};

/// A thing that every token has: channels [first, first + C) of rows of memory.
template <class T>
struct Part {
  const T* map;
  i64 row, first;
  const float* padding;  // its value beyond the edge, at the same channel; null: 0
};
template <class T>
struct Target {
  T* map;
  i64 row, first;
};

struct Problem {
  Problem(const WindowSpec& spec, const WindowTensors& in)
      : windows(in.qkv.shape(), spec.shift),
        channels(in.qkv.dim(3) / (in.v ? 2 : 3)),
        heads(spec.heads),
        dim(static_cast<int>(channels / heads)),
        fours((dim + 3) / 4),
        stride(4 * (fours | 1)),
        scale(1.F / sqrtf(static_cast<float>(dim))),
        table(in.bias_table.data()) {}
  constexpr int matrix() const { return kRows * stride; }  // floats
  /// What a block of a gradient adds up: dS, then dK and dV of the tokens beyond the edge.
  constexpr int sums() const { return kPairs + 2 * dim; }

  Windows windows;
  i64 channels;
  int heads, dim;
  int fours;   // packs of a row
  int stride;  // of a matrix [52,dim] in shared memory: an odd number of packs, so that rows begin in different banks
  float scale;
  const float* table;  // [169,heads]
};

/// Queries, keys and values.
template <class T>
struct Parts {
  Parts(const Problem& p, const WindowTensors& in) {
    const T* const qkv = in.qkv.data<T>();
    const i64 row = in.qkv.dim(3);
    const float* const padding = in.padding.data();
    q = {qkv, row, 0, padding};
    k = {qkv, row, p.channels, padding};
    v = in.v ? Part<T>{in.v.data<T>(), p.channels, 0, nullptr} : Part<T>{qkv, row, 2 * p.channels, padding};
  }
  Part<T> q, k, v;
};

/// One head of one window, in shared memory: matrices [52,dim], and [52,52] for scores; zeros in what is padding.
struct Head {
  __device__ Head(const Problem& problem, float* memory)
      : q(memory), k(q + problem.matrix()), p(k + problem.matrix()), v(p + kScores) {}
  static std::size_t bytes(const Problem& problem) {
    return static_cast<std::size_t>(3 * problem.matrix() + kScores) * sizeof(float);
  }
  float *q, *k, *p, *v;  // Q is scaled
};
/// dS takes the place of V, which nobody wants any more.
struct HeadGradient {
  __device__ HeadGradient(const Problem& problem, const Head& head) : ds(head.v), dy(ds + place_of_v(problem)) {}
  static std::size_t bytes(const Problem& problem) {
    return static_cast<std::size_t>(3 * problem.matrix() + kScores + place_of_v(problem)) * sizeof(float);
  }
  MD_HD static int place_of_v(const Problem& problem) {
    return problem.matrix() > kScores ? problem.matrix() : kScores;
  }
  float *ds, *dy;
};

struct Place {
  i64 token[kTokens];  // or -1 beyond the edge
  int region[kTokens];
  bool beyond;                              // some are
  float p_beyond[kRows], ds_beyond[kRows];  // sums of P and dS over those, by row
};

// ---- What all threads of a block do together. Threads own tiles, warps own rows of scores. ----

/// By the first warp.
__device__ void find_tokens(const Problem& p, i64 window, Place& place) {
  if (threadIdx.x >= kWarp) return;
  unsigned beyond = 0;
  for (int first = 0; first < kTokens; first += kWarp) {
    const int t = first + static_cast<int>(threadIdx.x);
    const i64 token = t < kTokens ? p.windows.token(window, t) : 0;
    beyond |= __ballot_sync(kAllLanes, token < 0);
    if (t >= kTokens) continue;
    place.token[t] = token;
    place.region[t] = p.windows.region(window, t);
  }
  if (threadIdx.x == 0) place.beyond = beyond != 0;
}

/// kLanes numbers of a token's part, from channel d of the head on; 0 beyond the last of both.
template <int kLanes, class T>
__device__ Pack<kLanes> read(const Problem& p, const Part<T>& part, const Place& place, int head, int t, int d) {
  if (t >= kTokens || d >= p.dim) return {};
  const i64 token = place.token[t], channel = part.first + head * p.dim + d;
  if (token >= 0) return load<kLanes>(part.map + token * part.row + channel);
  return part.padding ? load<kLanes>(part.padding + channel) : Pack<kLanes>{};
}

/// to = factor * the part, for one head.
template <class How, class T>
__device__ void gather(const Problem& p, const Part<T>& part, const Place& place, int head, float factor, float* to) {
  constexpr int kLanes = How::kLanes;
  const int across = 4 / kLanes * p.fours;
  for (int e = static_cast<int>(threadIdx.x); e < kRows * across; e += kThreads) {
    const int t = e / across, d = e % across * kLanes;
    Pack<kLanes> value = read<kLanes>(p, part, place, head, t, d);
    for (float& v : value.lane) v = How::factor(v * factor);
    store(to + t * p.stride + d, value);
  }
}

/// 4x4 elements of a product.
struct Tile {
  float of[kTile][kTile] = {};

  /// body(row, column, element) for a tile of scores [52,52], which has rows and columns n, n + 13, n + 26 and n + 39:
  /// so neighbouring threads read other banks. The last threads have none.
  template <class Body>
  __device__ void each_score(const Body& body) {
    const int row = static_cast<int>(threadIdx.x) / kTiles, column = static_cast<int>(threadIdx.x) % kTiles;
    for (int i = 0; i < kTile && row < kTiles; ++i) {
      for (int j = 0; j < kTile; ++j) body(row + i * kTiles, column + j * kTiles, of[i][j]);
    }
  }
};

/// Four floats, from `first` on, of each of the rows n, n + 13, n + 26 and n + 39.
struct Rows {
  Pack<4> of[kTile];
  __device__ Rows(const float* matrix, int stride, int n, int first) {
    for (int i = 0; i < kTile; ++i) of[i] = load<4>(matrix + (n + i * kTiles) * stride + first);
  }
};

/// The tile of scores a b' that this thread has.
__device__ Tile multiply_rows(const Problem& p, const float* a, const float* b) {
  const int row = static_cast<int>(threadIdx.x) / kTiles, column = static_cast<int>(threadIdx.x) % kTiles;
  Tile tile;
  for (int d = 0; d < 4 * p.fours && row < kTiles; d += 4) {
    const Rows left(a, p.stride, row, d), right(b, p.stride, column, d);
    for (int n = 0; n < 4; ++n) {
      for (int i = 0; i < kTile; ++i) {
        for (int j = 0; j < kTile; ++j) tile.of[i][j] += left.of[i].lane[n] * right.of[j].lane[n];
      }
    }
  }
  return tile;
}

/// += left right', of a column and a row
__device__ void add_outer(Tile& tile, const float (&left)[kTile], const Pack<4>& right) {
  for (int i = 0; i < kTile; ++i) {
    for (int j = 0; j < kTile; ++j) tile.of[i][j] += left[i] * right.lane[j];
  }
}

/// factor * some neighbours of a row, for a token of the map; each has one window, so nobody else writes there.
template <int kLanes, int kCount, class T>
__device__ void write(const Target<T>& to, const Problem& p, const Place& place, int head, int t, int d, float factor,
                      const float (&row)[kCount]) {
  if (t >= kTokens || place.token[t] < 0) return;
  T* const at = to.map + place.token[t] * to.row + to.first + head * p.dim + d;
  for (int n = 0; n < kCount; n += kLanes) {
    if (d + n >= p.dim) return;
    Pack<kLanes> out;
    for (int l = 0; l < kLanes; ++l) out.lane[l] = factor * row[n + l];
    store(at + n, out);
  }
}

/// factor * scores b, for the tokens of the map.
template <int kLanes, class T>
__device__ void multiply_tiles_into(const Target<T>& to, const Problem& p, const float* scores, const float* b,
                                    float factor, const Place& place, int head) {
  for (int e = static_cast<int>(threadIdx.x); e < kTiles * p.fours; e += kThreads) {
    const int row = e / p.fours, d = e % p.fours * 4;
    Tile tile;
    for (int t = 0; t < kRows; t += 4) {
      const Rows left(scores, kRows, row, t);
      for (int n = 0; n < 4; ++n) {
        const float column[kTile] = {left.of[0].lane[n], left.of[1].lane[n], left.of[2].lane[n], left.of[3].lane[n]};
        add_outer(tile, column, load<4>(b + (t + n) * p.stride + d));
      }
    }
    for (int i = 0; i < kTile; ++i) write<kLanes>(to, p, place, head, row + i * kTiles, d, factor, tile.of[i]);
  }
}

/// scores' b, for the tokens of the map.
template <int kLanes, class T>
__device__ void multiply_transposed_tiles_into(const Target<T>& to, const Problem& p, const float* scores,
                                               const float* b, const Place& place, int head) {
  for (int e = static_cast<int>(threadIdx.x); e < kTiles * p.fours; e += kThreads) {
    const int column = e / p.fours * 4, d = e % p.fours * 4;
    Tile tile;
    for (int t = 0; t < kTokens; ++t)
      add_outer(tile, load<4>(scores + t * kRows + column).lane, load<4>(b + t * p.stride + d));
    for (int i = 0; i < kTile; ++i) write<kLanes>(to, p, place, head, column + i, d, 1.F, tile.of[i]);
  }
}

// The same products on tensor cores. Warps take units of 32x16 sums in turn: each factor that is read serves two steps,
// as reading them takes longer than multiplying.

constexpr int kWarps = kThreads / kWarp, kTall = 2, kWide = 2;
constexpr int kRowsOfUnit = kTall * cuda::kRowsOfStep, kColumnsOfUnit = kWide * cuda::kColumnsOfStep;
constexpr int kRowUnits = (kRows + kRowsOfUnit - 1) / kRowsOfUnit;
MD_HD constexpr int units_of(int columns) { return kRowUnits * ((columns + kColumnsOfUnit - 1) / kColumnsOfUnit); }

__device__ inline int least(int a, int b) { return a < b ? a : b; }

/// Sums of a product, and which of them this lane has.
struct Unit {
  __device__ explicit Unit(int index)
      : lane(static_cast<int>(threadIdx.x) % kWarp),
        row(index % kRowUnits * kRowsOfUnit),
        column(index / kRowUnits * kColumnsOfUnit) {}

  /// Of a [52,terms] by a_at(row, term) and b [terms,columns] by b_at(term, column). In place of what lies beyond they
  /// are asked for the last ones: sums there are nobody's, and terms there are tokens of padding, which are zeros.
  template <class A, class B>
  __device__ void compute(int terms, int columns, const A& a_at, const B& b_at) {
    const int g = lane / 4, t = lane % 4;
    for (int first = 0; first < terms; first += cuda::kTermsOfStep) {
      const int low = least(first + t, terms - 1), high = least(first + t + 4, terms - 1);
      cuda::LeftFactor left[kTall];
      cuda::RightFactor right[kWide];
      for (int i = 0; i < kTall; ++i) {
        const int upper = least(row + i * cuda::kRowsOfStep + g, kRows - 1), lower = least(upper + 8, kRows - 1);
        left[i] = {a_at(upper, low), a_at(lower, low), a_at(upper, high), a_at(lower, high)};
      }
      for (int j = 0; j < kWide; ++j) {
        const int of = least(column + j * cuda::kColumnsOfStep + g, columns - 1);
        right[j] = {b_at(low, of), b_at(high, of)};
      }
      for (int i = 0; i < kTall; ++i) {
        for (int j = 0; j < kWide; ++j) cuda::multiply_add(sums[i][j], left[i], right[j]);
      }
    }
  }
  /// use(row, column, two neighbours) for those that the product has.
  template <class Use>
  __device__ void each_pair(int columns, const Use& use) const {
    for (int i = 0; i < kTall; ++i) {
      for (int j = 0; j < kWide; ++j) {
        const int r = row + i * cuda::kRowsOfStep + lane / 4, c = column + j * cuda::kColumnsOfStep + lane % 4 * 2;
        const float(&of)[4] = sums[i][j].of;
        const float upper[2] = {of[0], of[1]}, lower[2] = {of[2], of[3]};
        if (c < columns && r < kRows) use(r, c, upper);
        if (c < columns && r + 8 < kRows) use(r + 8, c, lower);
      }
    }
  }

  int lane, row, column;  // the first ones
  cuda::Sums sums[kTall][kWide];
};

/// to [52,52] = a b'. Either may be where `to` is.
template <class How>
__device__ void multiply_rows_into(const Problem& p, const float* a, const float* b, float* to) {
  if constexpr (How::kTensorCores) {
    static_assert(units_of(kRows) <= 2 * kWarps);
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    Unit first(warp), second(warp + kWarps);
    const auto compute = [&](Unit& unit) {
      if (unit.column >= kRows) return;
      unit.compute(
          p.dim, kRows, [&](int row, int d) { return a[row * p.stride + d]; },
          [&](int d, int column) { return b[column * p.stride + d]; });
    };
    const auto keep = [&](const Unit& unit) {
      unit.each_pair(kRows, [&](int row, int column, const float(&two)[2]) {
        store(to + row * kRows + column, cuda::pack_of(two));
      });
    };
    compute(first);
    compute(second);
    __syncthreads();
    keep(first);
    keep(second);
  } else {
    Tile tile = multiply_rows(p, a, b);
    __syncthreads();
    tile.each_score([&](int i, int j, float score) { to[i * kRows + j] = score; });
  }
}

/// factor * a b for the tokens of the map; a [52,52] by a_at(row, term), b [52,dim].
template <class T, class A>
__device__ void multiply_on_tensor_cores_into(const Target<T>& to, const Problem& p, const A& a_at, const float* b,
                                              float factor, const Place& place, int head) {
  for (int index = static_cast<int>(threadIdx.x) / kWarp; index < units_of(p.dim); index += kWarps) {
    Unit unit(index);
    unit.compute(kRows, p.dim, a_at, [&](int t, int d) { return b[t * p.stride + d]; });
    unit.each_pair(p.dim, [&](int t, int d, const float(&two)[2]) { write<2>(to, p, place, head, t, d, factor, two); });
  }
}

/// factor * scores b, for the tokens of the map.
template <class How, class T>
__device__ void multiply_into(const Target<T>& to, const Problem& p, const float* scores, const float* b, float factor,
                              const Place& place, int head) {
  if constexpr (How::kTensorCores) {
    const auto a_at = [&](int row, int t) { return scores[row * kRows + t]; };
    multiply_on_tensor_cores_into(to, p, a_at, b, factor, place, head);
  } else {
    multiply_tiles_into<How::kLanes>(to, p, scores, b, factor, place, head);
  }
}

/// scores' b, for the tokens of the map.
template <class How, class T>
__device__ void multiply_transposed_into(const Target<T>& to, const Problem& p, const float* scores, const float* b,
                                         const Place& place, int head) {
  if constexpr (How::kTensorCores) {
    const auto a_at = [&](int row, int t) { return scores[t * kRows + row]; };
    multiply_on_tensor_cores_into(to, p, a_at, b, 1.F, place, head);
  } else {
    multiply_transposed_tiles_into<How::kLanes>(to, p, scores, b, place, head);
  }
}

/// Calls row(i, lane) for the rows of this warp.
template <class Row>
__device__ void for_rows(int rows, const Row& row) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread / kWarp; i < rows; i += kThreads / kWarp) row(i, thread % kWarp);
}

/// Products of Q and K to P, in place; zeros in what is padding.
template <class How>
__device__ void softmax(const Problem& p, const Place& place, int head, float* scores) {
  for_rows(kRows, [&](int i, int lane) {
    float* const row = scores + i * kRows;
    float largest = -INFINITY, sum = 0.F;
    for (int j = lane; j < kTokens && i < kTokens; j += kWarp) {
      row[j] += p.table[distance_row(i, j) * p.heads + head];
      if (place.region[i] != place.region[j]) row[j] += kMaskedScore;
      largest = fmaxf(largest, row[j]);
    }
    largest = max_of_warp(largest);
    for (int j = lane; j < kTokens && i < kTokens; j += kWarp) sum += row[j] = expf(row[j] - largest);
    const float inverse = 1.F / sum_of_warp(sum);
    for (int j = lane; j < kRows; j += kWarp) row[j] = i < kTokens && j < kTokens ? How::factor(row[j] * inverse) : 0.F;
  });
}

/// dP to dS, in place, and what rows of P and dS have beyond the edge.
template <class How>
__device__ void softmax_gradient(const float* probabilities, float* gradients, Place& place) {
  for_rows(kRows, [&](int i, int lane) {
    const float* const p = probabilities + i * kRows;
    float *const row = gradients + i * kRows, sum = 0.F, p_beyond = 0.F, ds_beyond = 0.F;
    for (int j = lane; j < kTokens; j += kWarp) sum += p[j] * row[j];
    const float mean = sum_of_warp(sum);
    for (int j = lane; j < kRows; j += kWarp) {
      row[j] = j < kTokens ? How::factor(p[j] * (row[j] - mean)) : 0.F;
      if (j >= kTokens || place.token[j] >= 0) continue;
      p_beyond += p[j];
      ds_beyond += row[j];
    }
    if (!place.beyond) return;
    p_beyond = sum_of_warp(p_beyond);
    ds_beyond = sum_of_warp(ds_beyond);
    if (lane != 0) return;
    place.p_beyond[i] = p_beyond;
    place.ds_beyond[i] = ds_beyond;
  });
}

/// Q (scaled), K, V and P.
template <class How, class T>
__device__ void compute(const Problem& p, const Parts<T>& of, const Place& place, int head, const Head& h) {
  gather<How>(p, of.q, place, head, p.scale, h.q);
  gather<How>(p, of.k, place, head, 1.F, h.k);
  gather<How>(p, of.v, place, head, 1.F, h.v);
  __syncthreads();
  multiply_rows_into<How>(p, h.q, h.k, h.p);
  __syncthreads();
  softmax<How>(p, place, head, h.p);
  __syncthreads();
}

/// sums += dK and dV of the tokens beyond the edge.
__device__ void add_beyond(const Problem& p, const Place& place, const Head& h, const HeadGradient& g, float* sums) {
  for (int e = static_cast<int>(threadIdx.x); e < 2 * p.dim; e += kThreads) {
    const bool of_k = e < p.dim;
    const float *const left = of_k ? place.ds_beyond : place.p_beyond, *const right = of_k ? h.q + e : g.dy + e - p.dim;
    float sum = 0.F;
    for (int i = 0; i < kTokens; ++i) sum += left[i] * right[i * p.stride];
    sums[e] += sum;
  }
}

// ---- Kernels; T is what stores maps ----

/// Grid [windows,heads].
template <class How, class T>
__global__ void attend(Problem p, Parts<T> of, Target<T> y) {
  MD_DYNAMIC_SHARED(float, memory);
  __shared__ Place place;
  const int head = static_cast<int>(blockIdx.y);
  const Head h(p, memory);
  find_tokens(p, blockIdx.x, place);
  __syncthreads();
  compute<How>(p, of, place, head, h);
  multiply_into<How>(y, p, h.p, h.v, 1.F, place, head);
}

/// Grid [blocks of windows,heads]; partial [blocks,heads,sums].
template <class How, class T>
__global__ void attend_backward(Problem p, Parts<T> of, Part<T> dy, Target<T> dq, Target<T> dk, Target<T> dv,
                                float* partial) {
  MD_DYNAMIC_SHARED(float, memory);
  __shared__ Place place;
  const int head = static_cast<int>(blockIdx.y);
  const Head h(p, memory);
  const HeadGradient g(p, h);
  float* const sums = partial + (static_cast<i64>(blockIdx.x) * p.heads + head) * p.sums();
  for (int e = static_cast<int>(threadIdx.x); e < 2 * p.dim; e += kThreads) sums[kPairs + e] = 0.F;
  Tile ds;  // of all windows
  const i64 begin = blockIdx.x * kWindowsOfBlock;
  for (i64 window = begin; window < begin + kWindowsOfBlock && window < p.windows.count(); ++window) {
    find_tokens(p, window, place);
    __syncthreads();
    gather<How>(p, dy, place, head, 1.F, g.dy);
    compute<How>(p, of, place, head, h);
    multiply_transposed_into<How>(dv, p, h.p, g.dy, place, head);
    multiply_rows_into<How>(p, g.dy, h.v, g.ds);
    __syncthreads();
    softmax_gradient<How>(h.p, g.ds, place);
    __syncthreads();
    multiply_into<How>(dq, p, g.ds, h.k, p.scale, place, head);
    multiply_transposed_into<How>(dk, p, g.ds, h.q, place, head);
    ds.each_score([&](int i, int j, float& sum) { sum += g.ds[i * kRows + j]; });
    if (place.beyond) add_beyond(p, place, h, g, sums + kPairs);
    __syncthreads();  // before the next window takes the memory
  }
  ds.each_score([&](int i, int j, float sum) {
    if (i < kTokens && j < kTokens) sums[i * kTokens + j] = sum;
  });
}

/// dtable [169,heads]: the sum of dS over all pairs of tokens at one distance.
struct TableGradient {
  const float* sums;  // [heads,row]
  i64 row;
  int heads;
  float* dtable;
  MD_HD void operator()(i64 distance, i64 head) const {
    const i64 down = distance / kDistances - (kWindow - 1), right = distance % kDistances - (kWindow - 1);
    double sum = 0;
    for (i64 query = 0; query < kWindowTokens; ++query) {
      const i64 y = query / kWindow - down, x = query % kWindow - right;
      if (y < 0 || y >= kWindow || x < 0 || x >= kWindow) continue;
      sum += static_cast<double>(sums[head * row + query * kWindowTokens + y * kWindow + x]);
    }
    dtable[distance * heads + head] = static_cast<float>(sum);
  }
};

/// dpadding [2C] or [3C]. Queries beyond the edge have no gradient: their results are cut off.
struct PaddingGradient {
  const float* sums;  // [heads,row]
  i64 row, channels, dim;
  float* dpadding;
  MD_HD void operator()(i64 part, i64 channel) const {
    const i64 at = channel / dim * row + kPairs + (part - 1) * dim + channel % dim;
    dpadding[part * channels + channel] = part == 0 ? 0.F : sums[at];
  }
};

/// Both, in one launch: small ones cost more to launch than to run.
struct SmallGradients {
  TableGradient table;
  PaddingGradient padding;
  MD_HD i64 of_table() const { return kDistances * kDistances * table.heads; }
  MD_HD void operator()(i64, i64 i) const {
    if (i < of_table()) {
      const auto [distance, head] = unravel(i, {kAnyExtent, table.heads});
      table(distance, head);
    } else {
      const auto [part, channel] = unravel(i - of_table(), {kAnyExtent, padding.channels});
      padding(part, channel);
    }
  }
};

/// Calls fn.operator()<How>(): tensor cores where the device's precision allows them and heads divide into their steps.
template <class Fn>
void with_way(const Problem& p, Device device, std::initializer_list<cuda::MapStart> maps, const Fn& fn) {
  const bool tensor_cores =
      device.precision != Precision::f32 && cuda::has_tensor_cores() && p.dim % cuda::kTermsOfStep == 0;
  cuda::with_packs(p.dim, maps, [&]<int kLanes>() {
    if constexpr (kLanes == 4) {
      if (tensor_cores) return fn.template operator()<Way<kLanes, true>>();
    }
    fn.template operator()<Way<kLanes, false>>();
  });
}

}  // namespace

void CudaBackend::window_attention(const WindowSpec& spec, const WindowTensors& in, const Tensor& y) {
  const Problem p(spec, in);
  with_storage(y.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Parts<T> of(p, in);
    with_way(p, y.device(), {of.q.map, of.v.map, of.q.padding, y.data<T>()}, [&]<class How>() {
      cuda::launch_kernel(attend<How, T>, dim3(unsigned(p.windows.count()), unsigned(p.heads)), kThreads,
                          Head::bytes(p), cuda::runtime().compute, p, of, Target<T>{y.data<T>(), p.channels, 0});
    });
  });
}

void CudaBackend::window_attention_backward(const WindowSpec& spec, const WindowTensors& in, const Tensor& dy,
                                            const WindowTensors& gradients) {
  const Problem p(spec, in);
  const i64 blocks = (p.windows.count() + kWindowsOfBlock - 1) / kWindowsOfBlock;
  const Device device = dy.device();
  const Tensor partial = Tensor::empty({blocks, p.heads, p.sums()}, device);
  const Tensor sums = Tensor::empty({p.heads, p.sums()}, device);
  with_storage(dy.dtype(), [&](auto storage) {
    using T = decltype(storage);
    const Parts<T> of(p, in);
    const Part<T> of_dy{dy.data<T>(), p.channels, 0, nullptr};
    T* const dqkv = gradients.qkv.data<T>();
    const Target<T> dq{dqkv, of.q.row, of.q.first}, dk{dqkv, of.k.row, of.k.first},
        dv = in.v ? Target<T>{gradients.v.data<T>(), p.channels, 0} : Target<T>{dqkv, of.v.row, of.v.first};
    with_way(p, device, {of.q.map, of.v.map, of.q.padding, of_dy.map, dqkv, dv.map}, [&]<class How>() {
      cuda::launch_kernel(attend_backward<How, T>, dim3(unsigned(blocks), unsigned(p.heads)), kThreads,
                          HeadGradient::bytes(p), cuda::runtime().compute, p, of, of_dy, dq, dk, dv, partial.data());
    });
  });
  reduce_sum(partial, {}, 1, blocks, sums.numel(), sums);
  const SmallGradients small{{sums.data(), p.sums(), p.heads, gradients.bias_table.data()},
                             {sums.data(), p.sums(), p.channels, p.dim, gradients.padding.data()}};
  launch(device, 1, small.of_table() + (in.v ? 2 : 3) * p.channels, small);
}

}  // namespace md
