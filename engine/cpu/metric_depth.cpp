// MetricDepth on the CPU: loss and gradient in one pass over the features (engine/metric_depth_formula.h has the
// maths). No rolled copies: a roll is a bijection, so for each shift a pixel is the anchor of one pair and the sample
// of one, and its gradient is a gather over 2N neighbours. Identified pairs are compacted into a list, so that a pair
// that its depths do not identify is never read, and distances are taken a vector of pairs at a time. Sums run in a
// fixed order, row by row in double: the same bits with any number of threads.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
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

struct Map {  // K images [h,w]; features and gradient are [K,h,w,C]
  int K, h, w;
  i64 C;
};

/// The neighbours of a pixel: the sample of each pair that it is the anchor of, then the anchor of each that it is the
/// sample of. Each pair is seen from both ends; only its anchor counts it.
struct Neighbours {
  Neighbours(const MetricDepthPairs& pairs, Map m, bool with_gradient) : anchors(pairs.shifts.size()) {
    for (const bool from_anchor : {true, false}) {
      if (!from_anchor && !with_gradient) continue;  // the value alone needs each pair once
      for (const auto& s : pairs.shifts) all.push_back(neighbour_of(s, from_anchor, m.K, m.h, m.w));
    }
  }
  std::size_t size() const { return all.size(); }
  const PairNeighbour& operator[](std::size_t n) const { return all[n]; }
  bool counts(std::size_t n) const { return n < anchors; }

  std::size_t anchors;
  std::vector<PairNeighbour> all;
};

/// Depth rows with kLanes more columns, wrapped around, so that a rolled row is read without a seam; NaN where nothing
/// was measured, so that every comparison with it is false.
struct WrappedDepth {
  WrappedDepth(const float* depth_m, Map m)
      : stride(m.w + int(kLanes)), rows(Tensor::empty({i64(m.K) * m.h, stride})), data(rows.data()) {
#pragma omp parallel for schedule(static)
    for (int r = 0; r < m.K * m.h; ++r) {
      for (int x = 0; x < stride; ++x) {
        data[i64(r) * stride + x] = measured_or_nan(depth_m[i64(r) * m.w + x % m.w]);
      }
    }
  }
  const float* row(i64 r) const { return data + r * stride; }

  int stride;
  Tensor rows;
  float* data;
};

/// The identified pairs of kLanes pixels next to each other, sorted by pixel.
struct PairList {
  explicit PairList(std::size_t neighbours) {
    const std::size_t most = (neighbours + 1) * kLanes;  // one group more: distances are taken in whole groups
    other.resize(most);
    pixel.resize(most);
    counts.resize(most);
    kind.resize(most);
    coefficient.resize(most);
  }
  int size = 0;
  int begin[kLanes + 1];            // pairs of pixel i: [begin[i], begin[i+1])
  std::vector<const float*> other;  // features of the other end, [C]
  std::vector<int> pixel;           // 0..kLanes-1
  std::vector<int> counts;          // seen from its anchor
  std::vector<float> kind;
  std::vector<float> coefficient;  // of a PairTerm
};

/// Work of one thread.
class Rows {
 public:
  Rows(const MetricDepthPairs& pairs, const Neighbours& around, const WrappedDepth& depth, Map map,
       const float* features, float* gradient)
      : pairs_(pairs),
        around_(around),
        depth_(depth),
        map_(map),
        features_(features),
        gradient_(gradient),
        rows_(around.size()),
        kinds_(around.size() * kLanes),
        columns_(around.size()),
        hits_((around.size() + 31) / 32),
        list_(around.size()) {}

  struct Sum {
    double terms = 0;
    i64 pairs = 0;
  };
  Sum row(int k, int y) {
    for (std::size_t n = 0; n < around_.size(); ++n) {
      rows_[n] = i64(wrapped(k + around_[n].image, map_.K)) * map_.h + wrapped(y + around_[n].row, map_.h);
    }
    Sum sum;
    const i64 r = i64(k) * map_.h + y;
    for (int x = 0; x < map_.w; x += kLanes) {
      const int pixels = std::min(int(kLanes), map_.w - x);
      find_pairs(r, x, pixels);
      const i64 at = (r * map_.w + x) * map_.C;
      add_terms(features_ + at, sum);
      if (gradient_) write_gradient(features_ + at, gradient_ + at, pixels);
    }
    return sum;
  }

 private:
  void find_pairs(i64 r, int x, int pixels) {
    list_.size = 0;
    Vec anchor_m = load(depth_.row(r) + x);
    for (int i = pixels; i < kLanes; ++i) anchor_m[i] = std::numeric_limits<float>::quiet_NaN();
    bool any = false;
    for (int i = 0; i < kLanes; ++i) any |= anchor_m[i] > 0.F;
    if (!any) {
      std::fill(list_.begin, list_.begin + kLanes + 1, 0);
      return;
    }
    std::fill(hits_.begin(), hits_.end(), Aligned<IntVec>{});
    for (std::size_t n = 0; n < around_.size(); ++n) {
      columns_[n] = wrapped(x + around_[n].column, map_.w);
      const Vec sample_m = load(depth_.row(rows_[n]) + columns_[n]);
      const Vec kind =
          kind_of_pair(anchor_m, sample_m, pairs_.positive_below, pairs_.ranges.data(), int(pairs_.ranges.size()));
      store(kinds_.data() + n * kLanes, kind);
      hits_[n / 32].v |= kind != kNoPair ? IntVec{} + int(1U << (n % 32)) : IntVec{};
    }
    for (int i = 0; i < kLanes; ++i) {
      list_.begin[i] = list_.size;
      for (std::size_t word = 0; word < hits_.size(); ++word) {
        for (auto bits = std::uint32_t(hits_[word].v[i]); bits != 0; bits &= bits - 1) {
          append(word * 32 + std::size_t(std::countr_zero(bits)), i);
        }
      }
    }
    list_.begin[kLanes] = list_.size;
  }

  void append(std::size_t n, int i) {
    int column = columns_[n] + i;
    if (column >= map_.w) column %= map_.w;
    const float* other = features_ + (rows_[n] * map_.w + column) * map_.C;
    for (i64 c = 0; c < map_.C; c += 16) __builtin_prefetch(other + c);  // one cache line
    const auto at = std::size_t(list_.size++);
    list_.other[at] = other;
    list_.pixel[at] = i;
    list_.counts[at] = around_.counts(n);
    list_.kind[at] = kinds_[n * kLanes + std::size_t(i)];
  }

  Vec square_sums(const float* f, const float* g) const {
    const i64 C = map_.C, whole = C - C % kLanes;
    Vec sums{};
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

  /// The terms of the listed pairs, and the coefficients that the gradient takes.
  void add_terms(const float* f, Sum& sum) {
    for (int j = list_.size; j % kLanes != 0; ++j) {
      const auto at = std::size_t(j);
      list_.other[at] = f;
      list_.pixel[at] = list_.counts[at] = 0;
      list_.kind[at] = kNoPair;
    }
    for (int first = 0; first < list_.size; first += kLanes) {
      Vec squares[kLanes];
      for (int j = 0; j < kLanes; ++j) {
        const auto at = std::size_t(first + j);
        squares[j] = square_sums(f + list_.pixel[at] * map_.C, list_.other[at]);
      }
      float square[kLanes];
      store(square, sum_each(squares));
      const float* kind = list_.kind.data() + first;
      const int* counts = list_.counts.data() + first;
      float* coefficient = list_.coefficient.data() + first;
      double terms = 0;
      int n = 0;
#pragma omp simd reduction(+ : terms, n)
      for (int j = 0; j < kLanes; ++j) {
        const PairTerm term = term_of_pair(kind[j], std::sqrt(square[j]));
        coefficient[j] = term.coefficient;
        terms += counts[j] != 0 ? term.value : 0.F;
        n += counts[j];
      }
      sum.terms += terms;
      sum.pairs += n;
    }
  }

  void write_gradient(const float* f, float* g, int pixels) const {
    const i64 C = map_.C, whole = C - C % kLanes;
    for (int i = 0; i < pixels; ++i, f += C, g += C) {
      const int begin = list_.begin[i], end = list_.begin[i + 1];
      for (i64 c = 0; c < whole; c += kLanes) {
        const Vec here = load(f + c);
        Vec sums{};
        for (int j = begin; j < end; ++j) {
          sums += list_.coefficient[std::size_t(j)] * (here - load(list_.other[std::size_t(j)] + c));
        }
        store(g + c, sums);
      }
      for (i64 c = whole; c < C; ++c) {
        float sum = 0.F;
        for (int j = begin; j < end; ++j) {
          sum += list_.coefficient[std::size_t(j)] * (f[c] - list_.other[std::size_t(j)][c]);
        }
        g[c] = sum;
      }
    }
  }

  const MetricDepthPairs& pairs_;
  const Neighbours& around_;
  const WrappedDepth& depth_;
  const Map map_;
  const float* features_;
  float* gradient_;

  std::vector<i64> rows_;              // of each neighbour, in [0, K*h)
  std::vector<float> kinds_;           // [neighbours, kLanes]
  std::vector<int> columns_;           // of each neighbour of the first pixel
  std::vector<Aligned<IntVec>> hits_;  // bit n % 32 of word n / 32, for each pixel
  PairList list_;
};

}  // namespace

void CpuBackend::metric_depth(const MetricDepthPairs& pairs, const Tensor& features, const Tensor& depth_m,
                              const Tensor& result, const Tensor& gradient) {
  const Map map{int(features.dim(0)), int(features.dim(1)), int(features.dim(2)), features.dim(3)};
  const WrappedDepth depth(depth_m.data(), map);
  const Neighbours around(pairs, map, bool(gradient));
  const float* f = features.data();
  float* g = gradient ? gradient.data() : nullptr;

  std::vector<Rows::Sum> sums(std::size_t(map.K) * std::size_t(map.h));
  PerThread<Rows> workers(pairs, around, depth, map, f, g);
#pragma omp parallel for schedule(dynamic, 4)
  for (int r = 0; r < map.K * map.h; ++r) sums[std::size_t(r)] = workers.mine().row(r / map.h, r % map.h);
  Rows::Sum total;
  for (const Rows::Sum& s : sums) {
    total.terms += s.terms;
    total.pairs += s.pairs;
  }
  result.data()[0] = float(total.terms);
  result.data()[1] = float(total.pairs);
}

}  // namespace md::MD_KERNELS
