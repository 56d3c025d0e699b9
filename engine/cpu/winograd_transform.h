// Winograd's minimal convolutions along one axis and along both (Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks", 2016). A tile of n inputs d and r taps g give m = n - r + 1 outputs with n products where the sum
// of products takes m * r:
//   y = A' [(G g) * (B' d)]            (' = transposed, * = element by element)
// Two polynomials are multiplied by their values at n - 1 points and at infinity. Row j of B' has the coefficients of
// the product of (x - p) over all points but the j-th, row j of A the powers p_j^0 .. p_j^(m-1), row j of G the powers
// p_j^0 .. p_j^(r-1) divided by N_j, the product of (p_j - p) over the other points; the last rows are for infinity.
// Gradients are the same products from the other sides: dd = B [(G g) * (A dy)], which is a convolution again with the
// taps reversed, and dg = G' [(B' d) * (A dy)].
// The points are 0 and pairs +-p, of which sums and differences share their work. For n = 6 the usual +-1, +-2 lose
// four times as much as the sum of products does, +-5/8, +-3/2 less than twice as much.
#pragma once
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {

/// The positive points of each pair.
template <int kTile>
struct WinogradPoints;
template <>
struct WinogradPoints<4> {
  static constexpr int kPairs = 1;
  static constexpr double p[kPairs] = {1.};
};
template <>
struct WinogradPoints<6> {
  static constexpr int kPairs = 2;
  static constexpr double p[kPairs] = {0.625, 1.5};
};

/// base^exponent, exponent at least 0.
constexpr double power(double base, int exponent) {
  double value = 1;
  for (int i = 0; i < exponent; ++i) value *= base;
  return value;
}

/// One over N_j, of point 0 and of the pair's points, for which it is the same.
template <int kTile>
constexpr double winograd_scale(int pair) {
  using Points = WinogradPoints<kTile>;
  double product = 1;
  const double own = pair < 0 ? 0. : Points::p[pair];
  for (int k = 0; k < Points::kPairs; ++k) {
    if (k != pair) product *= own * own - Points::p[k] * Points::p[k];
  }
  return 1 / (pair < 0 ? product : 2 * own * own * product);
}

// Each maps kFrom registers to kTo of them.

/// v = B' d.
template <int kTile>
struct WinogradInput;
template <>
struct WinogradInput<4> {
  static constexpr int kFrom = 4, kTo = 4;
  static void apply(const Vec* d, Vec* v) {
    v[0] = d[2] - d[0];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
  }
};
template <>
struct WinogradInput<6> {
  static constexpr int kFrom = 6, kTo = 6;
  static void apply(const Vec* d, Vec* v) {
    constexpr auto& p = WinogradPoints<6>::p;
    constexpr double a = p[0] * p[0], b = p[1] * p[1];
    v[0] = float(a * b) * d[0] + (d[4] - float(a + b) * d[2]);
    const Vec even0 = d[4] - float(b) * d[2], odd0 = d[3] - float(b) * d[1];
    const Vec even1 = d[4] - float(a) * d[2], odd1 = d[3] - float(a) * d[1];
    v[1] = even0 + float(p[0]) * odd0;
    v[2] = even0 - float(p[0]) * odd0;
    v[3] = even1 + float(p[1]) * odd1;
    v[4] = even1 - float(p[1]) * odd1;
    v[5] = float(a * b) * d[1] + (d[5] - float(a + b) * d[3]);
  }
};

/// y = A' v.
template <int kTile, int kTaps>
struct WinogradOutput {
  static constexpr int kFrom = kTile, kTo = kTile - kTaps + 1;
  static void apply(const Vec* v, Vec* y) {
    using Points = WinogradPoints<kTile>;
    Vec sum[Points::kPairs], difference[Points::kPairs];
#pragma GCC unroll 8
    for (int k = 0; k < Points::kPairs; ++k) {
      sum[k] = v[2 * k + 1] + v[2 * k + 2];
      difference[k] = v[2 * k + 1] - v[2 * k + 2];
    }
#pragma GCC unroll 8
    for (int i = 0; i < kTo; ++i) {
      Vec total = float(power(Points::p[0], i)) * (i % 2 ? difference : sum)[0];
      for (int k = 1; k < Points::kPairs; ++k) total += float(power(Points::p[k], i)) * (i % 2 ? difference : sum)[k];
      if (i == 0) total += v[0];
      if (i == kTo - 1) total += v[kTile - 1];
      y[i] = total;
    }
  }
};

/// v = the powers of the points times g: A g, or with kScaled G g.
template <int kTile, int kTaps, bool kScaled>
struct WinogradPowers {
  static constexpr int kFrom = kTaps, kTo = kTile;
  static void apply(const Vec* g, Vec* v) {
    using Points = WinogradPoints<kTile>;
    v[0] = kScaled ? float(winograd_scale<kTile>(-1)) * g[0] : g[0];
#pragma GCC unroll 8
    for (int k = 0; k < Points::kPairs; ++k) {
      const double scale = kScaled ? winograd_scale<kTile>(k) : 1;
      Vec even = float(scale) * g[0], odd = float(scale * Points::p[k]) * g[1];
      for (int i = 2; i < kTaps; i += 2) even += float(scale * power(Points::p[k], i)) * g[i];
      for (int i = 3; i < kTaps; i += 2) odd += float(scale * power(Points::p[k], i)) * g[i];
      v[2 * k + 1] = even + odd;
      v[2 * k + 2] = even - odd;
    }
    v[kTile - 1] = g[kTaps - 1];
  }
};
/// v = G g.
template <int kTile, int kTaps>
using WinogradFilter = WinogradPowers<kTile, kTaps, true>;
/// v = A dy.
template <int kTile, int kTaps>
using WinogradUpstream = WinogradPowers<kTile, kTile - kTaps + 1, false>;

/// dg = G' v.
template <int kTile, int kTaps>
struct WinogradFilterGradient {
  static constexpr int kFrom = kTile, kTo = kTaps;
  static void apply(const Vec* v, Vec* g) {
    using Points = WinogradPoints<kTile>;
    Vec sum[Points::kPairs], difference[Points::kPairs];
#pragma GCC unroll 8
    for (int k = 0; k < Points::kPairs; ++k) {
      sum[k] = float(winograd_scale<kTile>(k)) * (v[2 * k + 1] + v[2 * k + 2]);
      difference[k] = float(winograd_scale<kTile>(k)) * (v[2 * k + 1] - v[2 * k + 2]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kTo; ++i) {
      Vec total = float(power(Points::p[0], i)) * (i % 2 ? difference : sum)[0];
      for (int k = 1; k < Points::kPairs; ++k) total += float(power(Points::p[k], i)) * (i % 2 ? difference : sum)[k];
      if (i == 0) total += float(winograd_scale<kTile>(-1)) * v[0];
      if (i == kTo - 1) total += v[kTile - 1];
      g[i] = total;
    }
  }
};

/// Along both axes: get(i, j) is the register at row i and column j, put(i, j, v) takes the results.
template <class Line, class Get, class Put>
[[gnu::always_inline]] inline void transform_square(const Get& get, const Put& put) {
  Vec half[Line::kTo][Line::kFrom];
#pragma GCC unroll 8
  for (int j = 0; j < Line::kFrom; ++j) {
    Vec in[Line::kFrom], out[Line::kTo];
#pragma GCC unroll 8
    for (int i = 0; i < Line::kFrom; ++i) in[i] = get(i, j);
    Line::apply(in, out);
#pragma GCC unroll 8
    for (int i = 0; i < Line::kTo; ++i) half[i][j] = out[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < Line::kTo; ++i) {
    Vec out[Line::kTo];
    Line::apply(half[i], out);
#pragma GCC unroll 8
    for (int j = 0; j < Line::kTo; ++j) put(i, j, out[j]);
  }
}

}  // namespace md::MD_KERNELS
