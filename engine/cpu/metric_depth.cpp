// MetricDepth on the CPU (engine/metric_depth_formula.h has the maths). No rolled copies, and every pair is measured
// once: a roll takes a row of anchors to one row of samples. The first pass goes through all (row of anchors, shift),
// lists the pairs that their depths identify, takes the distances of a vector of them at a time, lists those that move
// their features, and adds these to the anchors' gradient. The second adds them to the samples', a row of samples at a
// time, so that every row has one writer. Rows are read in order. Sums run in a fixed order, row by row in double: the
// same bits with any number of threads.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/per_thread.h"
#include "engine/cpu/vec.h"
#include "engine/metric_depth_formula.h"

namespace md::MD_KERNELS {
namespace {

/// Sum of the neighbouring lanes of a, then of b: (a0+a1, a2+a3, ..., b0+b1, b2+b3, ...).
Vec add_neighbours(Vec a, Vec b) {
  IntVec even, odd;
  for (int i = 0; i < kLanes; ++i) {
    even[i] = 2 * i;
    odd[i] = 2 * i + 1;
  }
  return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, odd);
}

/// Lane j of the result is the sum of all lanes of v[j]. Overwrites v.
Vec sum_each(Vec* v) {
  for (int n = kLanes / 2; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) v[i] = add_neighbours(v[2 * i], v[2 * i + 1]);
  }
  return v[0];
}

/// Writes the lanes of v whose mask is set next to each other, where there is room for all; how many they are. Of
/// AVX-512's own instruction, as GCC makes none of the loop, and a branch for each lane is often guessed wrong.
template <class V, class T>
int store_packed(T* to, V v, IntVec mask) {
#if defined(__AVX512F__) || defined(MD_AVX512)
  using Ints [[gnu::vector_size(64)]] = int;
  const auto bits = static_cast<std::uint16_t>(__builtin_ia32_ptestmd512(Ints(mask), Ints(mask), 0xFFFF));
  const V packed = V(__builtin_ia32_compresssi512_mask(Ints(v), Ints{}, bits));
  std::memcpy(to, &packed, sizeof packed);
  return std::popcount(bits);
#else
  int size = 0;
  for (int i = 0; i < kLanes; ++i) {
    to[size] = v[i];
    size -= mask[i];
  }
  return size;
#endif
}

struct Map {  // K images [h,w]; features and gradient are [K,h,w,C]
  int K, h, w;
  i64 C;
  int rows() const { return K * h; }
  int row_of(int r, const PairNeighbour& to) const {
    return wrapped(r / h + to.image, K) * h + wrapped(r % h + to.row, h);
  }
};

/// Depth rows with kLanes more columns, wrapped around, so that a rolled row is read without a seam; NaN where nothing
/// was measured, so that every comparison with it is false.
struct WrappedDepth {
  WrappedDepth(const float* depth_m, Map m)
      : stride(m.w + int(kLanes)), rows(Tensor::empty({m.rows(), stride})), data(rows.data()) {
#pragma omp parallel for schedule(static)
    for (int r = 0; r < m.rows(); ++r) {
      float* const row = data + i64(r) * stride;
      for (int x = 0; x < m.w; ++x) row[x] = measured_or_nan(depth_m[i64(r) * m.w + x]);
      for (int x = m.w; x < stride; ++x) row[x] = row[x - m.w];
    }
  }
  const float* row(i64 r) const { return data + r * stride; }

  int stride;
  Tensor rows;
  float* data;
};

/// The pairs that move their features, for each row of anchors and shift.
class Moving {
 public:
  using Column = std::uint16_t;
  struct List {
    Column* column;      // of the anchor, ascending
    float* coefficient;  // of a PairTerm
    int* size;           // at most w
  };
  Moving(Map m, std::size_t shifts)
      : shifts_(shifts),
        w_(std::size_t(m.w)),
        sizes_(std::size_t(m.rows()) * shifts),
        columns_(Device{}, sizes_.size() * w_ * sizeof(Column)),
        coefficients_(Device{}, sizes_.size() * w_ * sizeof(float)) {}
  List of(int row, std::size_t shift) {
    const std::size_t at = std::size_t(row) * shifts_ + shift;
    return {static_cast<Column*>(columns_.data) + at * w_, static_cast<float*>(coefficients_.data) + at * w_,
            &sizes_[at]};
  }

 private:
  std::size_t shifts_, w_;
  std::vector<int> sizes_;
  Storage columns_, coefficients_;
};

/// What both passes work on.
struct Work {
  const MetricDepthPairs& pairs;
  Map map;
  const float* features;
  const WrappedDepth& depth;
  float* gradient;  // [K,h,w,C]; null: the value alone, and no `moving`
  Moving* moving;
  std::vector<PairNeighbour> samples;  // as seen from the anchor, for each shift

  const float* features_of(int r) const { return features + i64(r) * map.w * map.C; }
  float* gradient_of(int r) const { return gradient + i64(r) * map.w * map.C; }
};

/// kC: how many channels there are, where the compiler shall know; else 0.
template <i64 kC>
i64 channels(const Work& work) {
  return kC != 0 ? kC : work.map.C;
}

/// Adds coefficient * (f_p - f_q) to the gradient at p, for the pairs of a list. p and q lie in row `here` and `there`,
/// so many columns behind the anchor's.
template <i64 kC>
void gather(const Work& work, const Moving::List& list, int here, int here_shift, int there, int there_shift) {
  const float *const f = work.features_of(here), *const g = work.features_of(there);
  float* const gradient = work.gradient_of(here);
  const i64 C = channels<kC>(work), whole = C - C % kLanes;
  for (int j = 0; j < *list.size; ++j) {
    const float coefficient = list.coefficient[j];
    const i64 p = wrapped(list.column[j] + here_shift, work.map.w) * C;
    const i64 q = wrapped(list.column[j] + there_shift, work.map.w) * C;
#pragma GCC unroll 8
    for (i64 c = 0; c < whole; c += kLanes) {
      store(gradient + p + c, load(gradient + p + c) + coefficient * (load(f + p + c) - load(g + q + c)));
    }
    for (i64 c = whole; c < C; ++c) gradient[p + c] += coefficient * (f[p + c] - g[q + c]);
  }
}

/// The first pass, by one thread.
template <i64 kC>
class Measuring {
 public:
  explicit Measuring(const Work& work) : work_(work), column_(room()), kind_(room()), coefficient_(room()) {}

  struct Sum {
    double terms = 0;
    i64 pairs = 0;
  };
  Sum row(int r) {
    Sum sum;
    const i64 row = work_.map.w * channels<kC>(work_);
    if (work_.gradient) std::memset(work_.gradient_of(r), 0, std::size_t(row) * sizeof(float));
    for (std::size_t n = 0; n < work_.samples.size(); ++n) {
      const PairNeighbour& to = work_.samples[n];
      const int sample_row = work_.map.row_of(r, to);
      const float* const g = work_.features_of(sample_row);
      find_pairs(r, sample_row, to.column);
      sum.pairs += size_;
      sum.terms += add_terms(work_.features_of(r), g, to.column);
      if (!work_.gradient) continue;
      const Moving::List moving = work_.moving->of(r, n);
      keep(moving);
      gather<kC>(work_, moving, r, 0, sample_row, to.column);
    }
    return sum;
  }

 private:
  std::size_t room() const { return std::size_t(work_.map.w) + std::size_t(kLanes); }

  /// Lists the identified pairs of a row.
  void find_pairs(int r, int sample_row, int shift) {
    const int w = work_.map.w;
    const float *anchor = work_.depth.row(r), *sample = work_.depth.row(sample_row);
    const auto& ranges = work_.pairs.ranges;
    size_ = 0;
    IntVec columns;
    for (int i = 0; i < kLanes; ++i) columns[i] = i;
    for (int x = 0; x < w; x += kLanes, columns += int(kLanes)) {
      const Vec kind = kind_of_pair(load(anchor + x), load(sample + wrapped(x + shift, w)), work_.pairs.positive_below,
                                    ranges.data(), int(ranges.size()));
      const IntVec hit = (kind != kNoPair) & (columns < w);
      store_packed(kind_.data() + size_, kind, hit);
      size_ += store_packed(column_.data() + size_, columns, hit);
    }
  }

  Vec square_sums(const float* f, const float* g) const {
    const i64 C = channels<kC>(work_), whole = C - C % kLanes;
    Vec sums{};
#pragma GCC unroll 8
    for (i64 c = 0; c < whole; c += kLanes) {
      const Vec d = load(f + c) - load(g + c);
      sums += d * d;
    }
    if (whole < C) {
      const Vec d = load_part(f + whole, C - whole) - load_part(g + whole, C - whole);
      sums += d * d;
    }
    return sums;
  }

  /// The sum of the terms of the listed pairs, and the coefficients that the gradient takes.
  double add_terms(const float* f, const float* g, int shift) {
    const i64 C = channels<kC>(work_);
    for (int j = 0; j < size_; ++j) {
      const float* const other = g + wrapped(column_[std::size_t(j)] + shift, work_.map.w) * C;
      for (i64 c = 0; c < C; c += 16) __builtin_prefetch(other + c);  // one cache line
    }
    for (std::size_t j = std::size_t(size_); j % kLanes != 0; ++j) column_[j] = 0;  // a vector to the end
    double sums[kLanes] = {};
    for (int first = 0; first < size_; first += kLanes) {
      Vec squares[kLanes];
      for (int j = 0; j < kLanes; ++j) {
        const int x = column_[std::size_t(first + j)];
        squares[j] = square_sums(f + x * C, g + wrapped(x + shift, work_.map.w) * C);
      }
      float square[kLanes];
      store(square, sum_each(squares));
      const float* kind = kind_.data() + first;
      float* coefficient = coefficient_.data() + first;
      const int listed = size_ - first;
#pragma omp simd
      for (int j = 0; j < kLanes; ++j) {
        const PairTerm term = term_of_pair(kind[j], std::sqrt(square[j]));
        coefficient[j] = term.coefficient;
        sums[j] += j < listed ? term.value : 0.F;
      }
    }
    return std::accumulate(sums, sums + kLanes, 0.);
  }

  void keep(const Moving::List& list) const {
    int size = 0;
    for (std::size_t j = 0; j < std::size_t(size_); ++j) {
      list.column[size] = Moving::Column(column_[j]);
      list.coefficient[size] = coefficient_[j];
      size += coefficient_[j] != 0.F;  // or NaN
    }
    *list.size = size;
  }

  const Work& work_;
  int size_ = 0;
  std::vector<int> column_;  // of the anchors of the listed pairs
  std::vector<float> kind_, coefficient_;
};

/// The second pass: what a row of samples gains.
template <i64 kC>
void add_samples(const Work& work, int r) {
  const Map& map = work.map;
  for (std::size_t n = 0; n < work.samples.size(); ++n) {
    const int anchors = map.row_of(r, neighbour_of(work.pairs.first_shift()[n], false, map.K, map.h, map.w));
    gather<kC>(work, work.moving->of(anchors, n), r, work.samples[n].column, anchors, 0);
  }
}

template <i64 kC>
void run(const Work& work, float* result) {
  const int rows = work.map.rows();
  std::vector<typename Measuring<kC>::Sum> sums(static_cast<std::size_t>(rows));
  PerThread<Measuring<kC>> workers(work);
#pragma omp parallel for schedule(dynamic, 4)
  for (int r = 0; r < rows; ++r) sums[std::size_t(r)] = workers.mine().row(r);
  typename Measuring<kC>::Sum total;
  for (const auto& s : sums) {
    total.terms += s.terms;
    total.pairs += s.pairs;
  }
  result[0] = float(total.terms);
  result[1] = float(total.pairs);
  if (!work.gradient) return;
#pragma omp parallel for schedule(dynamic, 4)
  for (int r = 0; r < rows; ++r) add_samples<kC>(work, r);
}

}  // namespace

void CpuBackend::metric_depth(const MetricDepthPairs& pairs, const Tensor& features, const Tensor& depth_m,
                              const Tensor& result, const Tensor& gradient) {
  const Map map{int(features.dim(0)), int(features.dim(1)), int(features.dim(2)), features.dim(3)};
  MD_CHECK(map.w <= std::numeric_limits<Moving::Column>::max(), "metric_depth: ", features.shape(), " is too wide");
  const WrappedDepth depth(depth_m.data(), map);
  Work work{pairs, map, features.data(), depth, nullptr, nullptr, {}};
  std::optional<Moving> moving;
  if (gradient) {
    work.gradient = gradient.data();
    work.moving = &moving.emplace(map, std::size_t(pairs.count()));
  }
  for (i64 n = 0; n < pairs.count(); ++n)
    work.samples.push_back(neighbour_of(pairs.first_shift()[n], true, map.K, map.h, map.w));
  map.C == 32 ? run<32>(work, result.data()) : run<0>(work, result.data());
}

}  // namespace md::MD_KERNELS
