// Lesson 11: Softmax and attention
// After lesson 10, the norms. Ops: softmax, window_attention.
//
// 1. Idea
//
// *Softmax* turns a row of numbers into shares: positive, and 1 in total. Each number becomes e to its power and is
// divided by the sum of the row. The largest gets the largest share, and no number stays without one.
//
// *Attention* lets the pixels of a map, here called tokens, look at each other. Each token has three vectors: a query
// q, a key k and a value v. The score of token i for token j is the product of its query with the key of j. Softmax
// makes shares out of the scores, and the result of token i is the mean of all values with these shares as weights. A
// convolution has weights that are learned and the same everywhere; here they are computed from the map, anew for each
// pair of tokens. So the weights get a gradient too, and pass it on.
#pragma once
#include <cmath>
#include <optional>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::attention {
using namespace test;

Definition shares();   // part 4
Definition of_rows();  // part 4

// 2. By hand
//
// *Softmax* of 0, ln 2, 0. The powers of e are 1, 2, 1 and their sum is 4, so y is 0.25, 0.5, 0.25. Let dy be 4, 8, 0.
// The mean of dy with the shares as weights is 0.25 * 4 + 0.5 * 8 + 0.25 * 0 = 5. Each number of x gets its share of
// what dy has above that mean:
//
//     dx[0] = 0.25 * (4 - 5) = -0.25
//     dx[1] = 0.5 * (8 - 5) = 1.5
//     dx[2] = 0.25 * (0 - 5) = -1.25
//
// They add up to 0: if all numbers of a row grow by the same, no share changes.
//
// *Attention* of two tokens whose vectors have one number each: q = 1, 0; k = 0, ln 3; v = 4, 8. The scores of token 0
// are 1 * 0 and 1 * ln 3, its shares 1/4 and 3/4, its result 1/4 * 4 + 3/4 * 8 = 7. The scores of token 1 are 0 and 0,
// its shares 1/2 and 1/2, its result 6.
//
// Let dy be 4, 2. A value is used by both tokens, with their shares:
//
//     dv[0] = 1/4 * 4 + 1/2 * 2 = 2
//     dv[1] = 3/4 * 4 + 1/2 * 2 = 4
//
// What arrives at the shares is dy[i] * v[j]: 16, 32 for token 0 and 8, 16 for token 1. Through softmax, row by row,
// the scores get
//
//     ds[0,0] = 1/4 * (16 - 28) = -3;  ds[0,1] = 3/4 * (32 - 28) = 3
//     ds[1,0] = 1/2 * (8 - 12) = -2;  ds[1,1] = 1/2 * (16 - 12) = 2
//
// A score is q[i] * k[j]. The query of token 0 gets -3 * 0 + 3 * ln 3 = 3.2958, that of token 1 gets 2 * ln 3 = 2.1972.
// The key of token 0 gets -3 * 1 - 2 * 0 = -3, that of token 1 gets 3 * 1 + 2 * 0 = 3.
inline std::vector<ByHand> by_hand() {
  return {
      {.op = shares(),
       .inputs = {{"x", {1, 3}, {0, 0.6931471805599453, 0}}},
       .y = {"y", {1, 3}, {0.25, 0.5, 0.25}},
       .dy = {"dy", {1, 3}, {4, 8, 0}},
       // blank numbers: they add up to 0
       .gradients = {{"dx", {1, 3}, {-0.25, 1.5, -1.25}}}},
      // end of blank
      {.op = of_rows(),
       .inputs = {{"q", {2, 1}, {1, 0}}, {"k", {2, 1}, {0, 1.0986122886681098}}, {"v", {2, 1}, {4, 8}}},
       .y = {"y", {2, 1}, {7, 6}},
       .dy = {"dy", {2, 1}, {4, 2}},
       .gradients = {
           {"dq", {2, 1}, {3.295836866004329, 2.1972245773362196}}, {"dk", {2, 1}, {-3, 3}}, {"dv", {2, 1}, {2, 4}}}}};
}

// 3. Definition
//
// Softmax of a row x:
//
//     y[i] = e^(x[i]) / S,  S = sum over j of e^(x[j])

/// x [...,C], row by row.
inline Array softmax_of_rows(const Array& x) {
  Array y(x.shape());
  const i64 C = x.dim(x.shape().rank() - 1);
  for (i64 row = 0; row < x.numel(); row += C) {
    double sum = 0;
    for (i64 c = row; c < row + C; ++c) sum += y[c] = std::exp(x[c]);
    for (i64 c = row; c < row + C; ++c) y[c] /= sum;
  }
  return y;
}

// Attention of T tokens with d numbers in each vector:
//
//     s[i,j] = 1 / sqrt(d) * dot(q[i], k[j]) + b[i,j]
//     p[i,j] = "softmax over j of" s[i,j]
//     y[i] = sum over j of p[i,j] * v[j]
//
// The sum of d products grows with d, as sqrt(d) where they are random; the division keeps scores in the range in which
// softmax does not give everything to one token. b is a number for each pair of tokens: how far they are apart, or a
// large negative one where they are not to see each other.

/// One attention: all arrays are [T,d], but for `bias`, which is [T,T].
struct Tokens {
  Array q, k, v, bias;
};

/// The shares p [T,T].
inline Array shares_of(const Tokens& t) {
  Array scores = t.bias;
  const double factor = 1 / std::sqrt(double(t.q.dim(1)));
  for (i64 i = 0; i < t.q.dim(0); ++i)
    for (i64 j = 0; j < t.k.dim(0); ++j)
      for (i64 c = 0; c < t.q.dim(1); ++c) scores(i, j) += factor * t.q(i, c) * t.k(j, c);
  return softmax_of_rows(scores);
}

inline Array attend(const Tokens& t) {
  const Array p = shares_of(t);
  Array y(t.q.shape());
  for (i64 i = 0; i < p.dim(0); ++i)
    for (i64 j = 0; j < p.dim(1); ++j)
      for (i64 c = 0; c < y.dim(1); ++c) y(i, c) += p(i, j) * t.v(j, c);
  return y;
}

// 4. Derivation
//
// *Softmax.* Let a[i] = e^(x[i]), so y[i] = a[i] / S. This is the exercise of lesson 10, and has two paths. Through
// a[i] alone, L changes by dy[i] / S. Through the sum, all y[j] fall by y[j] / S, and L by the sum of dy[j] * y[j] / S.
// And a[i] changes by a[i] for each unit of x[i], because that is what e^x does. a[i] / S is y[i]:
//
//     dL/dx[i] = y[i] * (dy[i] - sum over j of y[j] * dy[j])
//
// The derivative of a row is a matrix of C * C numbers, "y[i] by x[j]", each of them y[i] * (1 - y[i]) or -y[i] * y[j].
// The formula is that matrix times dy, with one sum in place of the matrix.
inline Array softmax_gradient(const Array& y, const Array& dy, const Terms& term) {
  Array dx(y.shape());
  const i64 C = y.dim(y.shape().rank() - 1);
  for (i64 row = 0; row < y.numel(); row += C) {
    double sum = 0;
    for (i64 c = row; c < row + C; ++c) sum += y[c] * dy[c];
    for (i64 c = row; c < row + C; ++c) {
      // blank: both paths; `sum` is that of y * dy over the row
      dx[c] += term("y * dy", y[c] * dy[c]);
      dx[c] += term("y * sum(y * dy)", -y[c] * sum);
      // end of blank
    }
  }
  return dx;
}

inline Definition shares() {
  return {.name = "softmax",
          .inputs = {"x"},
          .value = [](const Arrays& in) { return softmax_of_rows(in[0]); },
          .gradients = [](const Arrays& in, const Array& dy,
                          const Terms& term) { return Arrays{softmax_gradient(softmax_of_rows(in[0]), dy, term)}; },
          .kernel = [](const std::vector<Tensor>& in) { return softmax(in[0]); }};
}

// *Attention* is three steps, and the gradient takes them backwards.
//
// The last one is a list of products p * v, so it gives `dy * p` to the values and `dy * v` to the shares:
//
//     dv[j] = sum over i of p[i,j] * dy[i]
//     dp[i,j] = dot(dy[i], v[j])
//
// The middle one is softmax, row by row, and turns dp into ds. The first one is a list of products q * k, with the
// factor 1 / sqrt(d):
//
//     dq[i] = 1 / sqrt(d) * sum over j of ds[i,j] * k[j]
//     dk[j] = 1 / sqrt(d) * sum over i of ds[i,j] * q[i]
//     db[i,j] = ds[i,j]
//
// A query is used by its own token, a key and a value by all: dq sums over a row of ds, dk over a column.
inline Tokens attention_gradients(const Tokens& t, const Array& dy, const Terms& term) {
  const Array p = shares_of(t);
  const i64 T = p.dim(0), d = t.q.dim(1);
  Array dp(p.shape());
  Tokens g{Array(t.q.shape()), Array(t.k.shape()), Array(t.v.shape()), {}};
  for (i64 i = 0; i < T; ++i)
    for (i64 j = 0; j < T; ++j)
      for (i64 c = 0; c < d; ++c) {
        // blank: what the product p(i, j) * t.v(j, c) adds to g.v and to dp
        g.v(j, c) += term("p * dy", p(i, j) * dy(i, c));
        dp(i, j) += dy(i, c) * t.v(j, c);
        // end of blank
      }
  const Array ds = softmax_gradient(p, dp, term);
  const double factor = 1 / std::sqrt(double(d));
  for (i64 i = 0; i < T; ++i)
    for (i64 j = 0; j < T; ++j)
      for (i64 c = 0; c < d; ++c) {
        // blank: what the product factor * t.q(i, c) * t.k(j, c) adds to g.q and to g.k
        g.q(i, c) += term("ds * k", factor * ds(i, j) * t.k(j, c));
        g.k(j, c) += term("ds * q", factor * ds(i, j) * t.q(i, c));
        // end of blank
      }
  g.bias = ds;
  return g;
}

/// Attention by itself, without windows: the networks have no kernel for it.
inline Definition of_rows() {
  const auto tokens = [](const Arrays& in) { return Tokens{in[0], in[1], in[2], Array({in[0].dim(0), in[1].dim(0)})}; };
  return {.name = "attention",
          .inputs = {"q", "k", "v"},
          .value = [=](const Arrays& in) { return attend(tokens(in)); },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                const Tokens g = attention_gradients(tokens(in), dy, term);
                return Arrays{g.q, g.k, g.v};
              },
          .kernel = {}};
}

// *Windows.* In a map of H * W tokens each would look at H * W others. Swin (Liu et al. 2021) cuts the map into windows
// of 7x7 tokens, and a token sees the 49 of its window. What is around the attention only moves numbers, as in lessons
// 5 and 6, and its gradient moves them back:
//
// - The channels are cut into `heads`. Each head has an attention of its own, on its part of q, k and v.
// - Where the sides are no multiples of 7, the map grows at the bottom and right. The new tokens have the vectors of
//   `padding`, are seen like all others, and are cut off at the end: their dy is 0. All of them share one `padding`,
//   and add up in its gradient.
// - With a `shift` the map is rolled up and left first, so that windows lie across the borders of the windows before.
//   At the edge a window then holds tokens that are not neighbours; -100 is added to the scores of such pairs.
// - `table` has a number for each distance, -6 to 6 rows and -6 to 6 columns, and for each head. It is added to the
//   score. Its gradient adds up ds over all pairs of tokens at that distance, of all windows.
// - In some networks the values come from another map, v, and beyond its edge they are 0.

/// A token of a window, and where it stood before the roll.
struct Token {
  i64 y, x;  // in the rolled map
  i64 part;  // of the rolled map: tokens of different parts were no neighbours before the roll
  i64 row, column;
  bool inside;  // of the map; else it is padding
};

struct Windows {
  Shape map;  // [N,H,W,C], C that of the values
  WindowSpec spec;

  static i64 grown(i64 side) { return (side + kWindow - 1) / kWindow * kWindow; }
  i64 channels_of_a_head() const { return map[3] / spec.heads; }

  std::vector<Token> tokens(i64 top, i64 left) const {
    std::vector<Token> all;
    for (i64 y = top; y < top + kWindow; ++y)
      for (i64 x = left; x < left + kWindow; ++x) {
        const i64 row = (y + spec.shift) % grown(map[1]), column = (x + spec.shift) % grown(map[2]);
        const i64 part = part_of_axis(y, map[1]) * 3 + part_of_axis(x, map[2]);
        all.push_back({y, x, part, row, column, row < map[1] && column < map[2]});
      }
    return all;
  }
  i64 part_of_axis(i64 at, i64 side) const {
    return at < grown(side) - kWindow ? 0 : at < grown(side) - spec.shift ? 1 : 2;
  }

  /// The row of the table for the distance of two tokens.
  static i64 distance(const Token& a, const Token& b) {
    constexpr i64 kFarthest = kWindow - 1, kDistances = 2 * kWindow - 1;
    return (a.y - b.y + kFarthest) * kDistances + (a.x - b.x + kFarthest);
  }
  /// Calls window(n, tokens, head) for every window of every image and every head.
  template <class F>
  void for_each(const F& window) const {
    for (i64 n = 0; n < map[0]; ++n)
      for (i64 top = 0; top < map[1]; top += kWindow)
        for (i64 left = 0; left < map[2]; left += kWindow)
          for (i64 head = 0; head < spec.heads; ++head) window(n, tokens(top, left), head);
  }
};

/// The tensors of the op, or their gradients: qkv [N,H,W,3C], or queries and keys [N,H,W,2C] and values [N,H,W,C]
/// beside them; padding [3C] or [2C]; table [169,heads].
struct Operands {
  Array qkv, padding, table;
  std::optional<Array> v;

  explicit Operands(const Arrays& in) : qkv(in[0]), padding(in[1]), table(in[2]) {
    if (in.size() > 3) v = in[3];
  }
  Arrays arrays() const { return v ? Arrays{qkv, padding, table, *v} : Arrays{qkv, padding, table}; }
  Shape map() const { return {qkv.dim(0), qkv.dim(1), qkv.dim(2), qkv.dim(3) / (v ? 2 : 3)}; }

  /// Where channel c of the query (part 0), key (1) or value (2) of a token stands; nowhere beyond the edge of v.
  double* place(i64 part, i64 n, const Token& t, i64 c) {
    if (part == 2 && v) return t.inside ? &(*v)(n, t.row, t.column, c) : nullptr;
    const i64 channel = part * map()[3] + c;
    return t.inside ? &qkv(n, t.row, t.column, channel) : &padding(channel);
  }
};

/// q, k, v and bias of one head of a window.
inline Tokens gather(const Windows& windows, Operands& from, i64 n, const std::vector<Token>& tokens, i64 head) {
  const i64 T = i64(tokens.size()), d = windows.channels_of_a_head();
  Tokens of{Array({T, d}), Array({T, d}), Array({T, d}), Array({T, T})};
  for (i64 i = 0; i < T; ++i) {
    const Token& token = tokens[std::size_t(i)];
    for (i64 c = 0; c < d; ++c) {
      of.q(i, c) = *from.place(0, n, token, head * d + c);
      of.k(i, c) = *from.place(1, n, token, head * d + c);
      const double* const value = from.place(2, n, token, head * d + c);
      of.v(i, c) = value != nullptr ? *value : 0;
    }
    for (i64 j = 0; j < T; ++j) {
      const Token& other = tokens[std::size_t(j)];
      of.bias(i, j) = from.table(Windows::distance(token, other), head);
      if (windows.spec.shift > 0 && token.part != other.part) of.bias(i, j) -= 100;
    }
  }
  return of;
}

/// The way back: each number is added where gather() read it.
inline void scatter(const Windows& windows, const Tokens& of, i64 n, const std::vector<Token>& tokens, i64 head,
                    Operands& to, const Terms& term) {
  const i64 T = i64(tokens.size()), d = windows.channels_of_a_head();
  for (i64 i = 0; i < T; ++i) {
    const Token& token = tokens[std::size_t(i)];
    for (i64 c = 0; c < d; ++c) {
      *to.place(0, n, token, head * d + c) += of.q(i, c);
      *to.place(1, n, token, head * d + c) += of.k(i, c);
      if (double* const value = to.place(2, n, token, head * d + c)) *value += of.v(i, c);
    }
    for (i64 j = 0; j < T; ++j)
      to.table(Windows::distance(token, tokens[std::size_t(j)]), head) += term("ds", of.bias(i, j));
  }
}

inline Array attend_in_windows(const Arrays& in, const WindowSpec& spec) {
  Operands from(in);
  const Windows windows{from.map(), spec};
  const i64 d = windows.channels_of_a_head();
  Array y(windows.map);
  windows.for_each([&](i64 n, const std::vector<Token>& tokens, i64 head) {
    const Array of_window = attend(gather(windows, from, n, tokens, head));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].inside) continue;
      for (i64 c = 0; c < d; ++c) y(n, tokens[i].row, tokens[i].column, head * d + c) = of_window(i, c);
    }
  });
  return y;
}

inline Arrays gradients_in_windows(const Arrays& in, const Array& dy, const WindowSpec& spec, const Terms& term) {
  Arrays zeros;
  for (const Array& each : in) zeros.emplace_back(each.shape());
  Operands from(in), to(zeros);
  const Windows windows{from.map(), spec};
  const i64 d = windows.channels_of_a_head();
  windows.for_each([&](i64 n, const std::vector<Token>& tokens, i64 head) {
    Array of_window({i64(tokens.size()), d});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].inside) continue;
      for (i64 c = 0; c < d; ++c) of_window(i, c) = dy(n, tokens[i].row, tokens[i].column, head * d + c);
    }
    const Tokens g = attention_gradients(gather(windows, from, n, tokens, head), of_window, term);
    scatter(windows, g, n, tokens, head, to, term);
  });
  return to.arrays();
}

/// `own_values`: they are a third of qkv; else they are an input of their own.
inline Definition in_windows(const WindowSpec& spec, bool own_values) {
  std::vector<std::string> inputs = {"qkv", "padding", "table"};
  if (!own_values) inputs.emplace_back("v");
  return {.name = "window_attention",
          .inputs = inputs,
          .value = [=](const Arrays& in) { return attend_in_windows(in, spec); },
          .gradients = [=](const Arrays& in, const Array& dy,
                           const Terms& term) { return gradients_in_windows(in, dy, spec, term); },
          .kernel =
              [=](const std::vector<Tensor>& in) {
                return window_attention(in[0], own_values ? Tensor() : in[3], in[1], in[2], spec);
              }};
}

// 5. Check
//
// The maps are 8x3, two windows and shifted, and 2x4, one window with two heads and values of its own. Most tokens are
// padding. Scores are of the order of 1, so that no share is so near to 0 or 1 that its gradient is too small to be
// seen.
inline std::vector<Check> checks() {
  // Sums of 49 exponentials of scores of the order of 1, in float, and differences of such sums.
  constexpr double kTolerance = 3e-6;
  return {{shares(), {random_array({5, 6}, 1, -2, 2)}, kTolerance},
          {in_windows({.heads = 1, .shift = 3}, true),
           {random_array({1, 8, 3, 6}, 2, -1, 1), random_array({6}, 3, -1, 1), random_array({169, 1}, 4, -1, 1)},
           kTolerance},
          {in_windows({.heads = 2}, false),
           {random_array({1, 2, 4, 8}, 5, -1, 1), random_array({8}, 6, -1, 1), random_array({169, 2}, 7, -1, 1),
            random_array({1, 2, 4, 4}, 8, -1, 1)},
           kTolerance}};
}

// 6. Adjoint
//
// Attention is linear in v and in nothing else: with q, k and the table fixed the shares are constants, and y = P v.
// Its gradient is dv = P' dy, and the equation of lesson 9 holds exactly. For all others the test is that of lesson 10,
// the derivative along one random direction.
inline std::vector<Linear> linear() { return {{"window_attention", {"v"}}}; }

// 7. Lost terms
//
// The second path of softmax is the one that is forgotten: y * dy alone is the slope of e^x, as if the sum were a
// constant. Then ds does not add up to 0 along a row, and a number that is added to all scores seems to matter.
inline std::vector<TermList> terms() {
  return {{"softmax", {"y * dy", "y * sum(y * dy)"}},
          {"window_attention", {"y * dy", "y * sum(y * dy)", "p * dy", "ds * k", "ds * q", "ds"}}};
}

// 8. Trap and exercise
//
// The trap is e^1000: in float, everything above e^88 is infinite, and infinite divided by infinite is NaN. Scores of
// 1000 occur in networks that train badly, so it matters. The way out uses what softmax does not notice: subtract the
// largest number of the row from all of them first. The largest power is then e^0 = 1, and the others may become 0,
// which is what they are. The test takes 1000, 1000, -1000.
inline std::string large_numbers_overflow() {
  const Array y(softmax(Array({1, 3}, {1000, 1000, -1000}).tensor()));
  const double want[] = {0.5, 0.5, 0};
  for (i64 i = 0; i < 3; ++i) {
    if (y[i] != want[i]) return cat("the share of number ", i, " of 1000, 1000, -1000 is ", y[i]);
  }
  return "";
}

// Exercise. Softmax does not notice a number that is added to the whole row. A photograph does not tell whether a room
// is twice as large and everything in it twice as far away. Let d[i] be the logarithm of predicted depth over true
// depth of pixel i. Write down a loss of d that does not notice if all predictions are multiplied by the same factor.
// What is its gradient? (Lesson 12 has one that notices a little.)

inline Lesson lesson() {
  return {
      11, "Softmax and attention", by_hand(), checks(), linear(), terms(), {{"large numbers", large_numbers_overflow}}};
}

}  // namespace md::lessons::attention
