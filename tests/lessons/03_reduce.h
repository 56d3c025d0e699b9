// Lesson 3: Reduce and spread
// After lesson 2, pointwise. Ops: sum, mean, multiply_channels, squeeze_excite, stochastic_depth, add_stochastic_depth.
//
// 1. Idea
//
// Adding up and handing out are each other's way back. If y is the sum of many numbers, each of them moves y as much as
// it moves itself: all get the same dy. If one number is handed out to many places, each place says what it does to L,
// and the number gets the sum.
//
// This answers what lesson 2 asked. The sum has a matrix of one row of ones; the transposed one is a column of ones,
// which copies. Whenever shapes grow on the way forward (PyTorch calls it broadcasting), a sum stands on the way back,
// over exactly the axes that grew.
#pragma once
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::reduce {
using namespace test;

Definition mean_op();      // part 4
Definition channels_op();  // part 4

// 2. By hand
//
// The mean of (1, 2, 3, 6) is 12 / 4 = 3. If one of them grows by a little, the mean grows by a quarter of that. So
// with dy = 8 each gets 8 / 4 = 2.
//
// A factor for a whole channel: an image of 2x2 pixels and one channel, all of it times s = 3.
//
//     y = 3 * (1, 2, 3, 4) = (3, 6, 9, 12)
//     dx = 3 * dy = (3, 0, 6, -3)
//
// s was handed out to four pixels, and each says what it does to L there, dy * x. It gets the sum:
//
//     ds = 1 * 1 + 0 * 2 + 2 * 3 + -1 * 4 = 3
inline std::vector<ByHand> by_hand() {
  return {{
              .op = mean_op(),
              .inputs = {{"x", {2, 2}, {1, 2, 3, 6}}},
              .y = {"y", {}, {3}},
              .dy = {"dy", {}, {8}},
              // blank numbers: the share of each
              .gradients = {{"dx", {2, 2}, {2, 2, 2, 2}}}
              // end of blank
          },
          {
              .op = channels_op(),
              .inputs = {{"x", {1, 2, 2, 1}, {1, 2, 3, 4}}, {"s", {1, 1, 1, 1}, {3}}},
              .y = {"y", {1, 2, 2, 1}, {3, 6, 9, 12}},
              .dy = {"dy", {1, 2, 2, 1}, {1, 0, 2, -1}},
              // blank numbers: dx by pixels, ds as one sum
              .gradients = {{"dx", {1, 2, 2, 1}, {3, 0, 6, -3}}, {"ds", {1, 1, 1, 1}, {3}}}
              // end of blank
          }};
}

// 3. Definition
//
// sum and mean go over all elements and give one number. multiply_channels has one factor for each image and channel,
// the same for all pixels. In squeeze-and-excitation that factor follows from the image itself: the mean m of each
// channel goes through a small network g, the gate, and comes back as the factor.
//
//     y[n,h,w,c] = x[n,h,w,c] * s[n,c]
//     s = g(m), m[n,c] = mean over (h,w) of x[n,h,w,c]
//
// stochastic_depth multiplies a whole image with a number that was drawn: 0, or 1 / (1 - rate), so that the expectation
// stays what it was. add_stochastic_depth adds that to a shortcut.

/// Calls visit(n, h, w, c) for every element of a map.
template <class F>
void for_each_element(const Array& x, const F& visit) {
  for (i64 n = 0; n < x.dim(0); ++n)
    for (i64 h = 0; h < x.dim(1); ++h)
      for (i64 w = 0; w < x.dim(2); ++w)
        for (i64 c = 0; c < x.dim(3); ++c) visit(n, h, w, c);
}

inline Array total(const Array& x, double factor) {
  Array y(Shape{});
  for (i64 i = 0; i < x.numel(); ++i) y[0] += factor * x[i];
  return y;
}

/// x [N,H,W,C] times s [N,1,1,C].
inline Array times_channels(const Array& x, const Array& s) {
  Array y(x.shape());
  for_each_element(x, [&](i64 n, i64 h, i64 w, i64 c) { y(n, h, w, c) = x(n, h, w, c) * s(n, 0, 0, c); });
  return y;
}

/// [N,H,W,C] -> [N,1,1,C].
inline Array means(const Array& x) {
  Array m({x.dim(0), 1, 1, x.dim(3)});
  const double share = 1 / double(x.dim(1) * x.dim(2));
  for_each_element(x, [&](i64 n, i64 h, i64 w, i64 c) { m(n, 0, 0, c) += share * x(n, h, w, c); });
  return m;
}

// 4. Derivation
//
// The sum: dy/dx_i = 1 for every i, and so dx_i = dy. The mean is the sum divided by their number n, and dx_i = dy / n.
inline Definition total_op(const char* name, bool divide, Tensor (*kernel)(const Tensor&)) {
  const auto factor = [divide](const Array& x) { return divide ? 1 / double(x.numel()) : 1; };
  return {.name = name,
          .inputs = {"x"},
          .value = [=](const Arrays& in) { return total(in[0], factor(in[0])); },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                Array dx(in[0].shape());
                for (i64 i = 0; i < dx.numel(); ++i) {
                  // blank: what element i gets of dy[0]; `factor(in[0])` is 1, or 1 / n
                  dx[i] = term("dy", dy[0] * factor(in[0]));
                  // end of blank
                }
                return Arrays{dx};
              },
          .kernel = [kernel](const std::vector<Tensor>& in) { return kernel(in[0]); }};
}
inline Definition sum_op() { return total_op("sum", false, sum); }
inline Definition mean_op() { return total_op("mean", true, mean); }

// multiply_channels is a product at each pixel, as in lesson 1: dx gets dy * s there. All pixels of a channel share one
// s, so ds is a sum over the pixels:
//
//     dL/dx[n,h,w,c] = dy[n,h,w,c] * s[n,c]
//     dL/ds[n,c] = sum over (h,w) of dy[n,h,w,c] * x[n,h,w,c]

/// The gradients of x and s.
inline Arrays times_channels_gradients(const Array& x, const Array& s, const Array& dy, const Terms& term) {
  Array dx(x.shape()), ds(s.shape());
  for_each_element(x, [&](i64 n, i64 h, i64 w, i64 c) {
    // blank: what the product at this pixel adds to dx and to ds
    dx(n, h, w, c) += term("dy * s", dy(n, h, w, c) * s(n, 0, 0, c));
    ds(n, 0, 0, c) += term("dy * x", dy(n, h, w, c) * x(n, h, w, c));
    // end of blank
  });
  return {dx, ds};
}
inline Definition channels_op() {
  return {.name = "multiply_channels",
          .inputs = {"x", "s"},
          .value = [](const Arrays& in) { return times_channels(in[0], in[1]); },
          .gradients = [](const Arrays& in, const Array& dy,
                          const Terms& term) { return times_channels_gradients(in[0], in[1], dy, term); },
          .kernel = [](const std::vector<Tensor>& in) { return multiply_channels(in[0], in[1]); }};
}

// In squeeze-and-excitation x acts on L along two paths. The first is the product above. The second goes through the
// mean: ds is what the product says to s, the gate turns it into dm, and a pixel moves the mean by 1 / (HW) of what
// it moves itself:
//
//     dL/dx[n,h,w,c] = dy[n,h,w,c] * s[n,c] + dm[n,c] / (H * W)
//
// The lesson takes the simplest gate, s = m * v with a weight v for each factor. Then dm = ds * v and dv = ds * m.
inline Definition squeeze_op() {
  const auto gate = [](const Array& m, const Array& v) {
    Array s(m.shape());
    for (i64 i = 0; i < s.numel(); ++i) s[i] = m[i] * v[i];
    return s;
  };
  return {.name = "squeeze_excite",
          .inputs = {"x", "v"},
          .value = [=](const Arrays& in) { return times_channels(in[0], gate(means(in[0]), in[1])); },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                const Array &x = in[0], &v = in[1];
                const Array m = means(x);
                Arrays d = times_channels_gradients(x, gate(m, v), dy, term);
                const Array ds = d[1];
                Array& dx = d[0];
                Array& dv = d[1];
                const double pixels = double(x.dim(1) * x.dim(2));
                for_each_element(x, [&](i64 n, i64 h, i64 w, i64 c) {
                  // blank: what x gets through the mean, as the term "dm / (HW)"
                  dx(n, h, w, c) += term("dm / (HW)", ds(n, 0, 0, c) * v(n, 0, 0, c) / pixels);
                  // end of blank
                });
                for (i64 i = 0; i < dv.numel(); ++i) dv[i] = ds[i] * m[i];
                return d;
              },
          .kernel =
              [](const std::vector<Tensor>& in) {
                return squeeze_excite(in[0], [&](const Tensor& m) { return multiply(m, in[1]); });
              }};
}

// stochastic_depth is a product with a number that nobody learns: dx is dy times that number, and where it is 0 the
// whole image gets no gradient, as if the layer did not exist for it. The shortcut beside it gets dy unchanged, which
// is what keeps very deep networks trainable.
inline double factor_of(i64 n) { return n % 3 == 1 ? 0 : 2; }  // as if drawn at the rate 1/2
inline Tensor factors(i64 samples) {
  Array f({samples});
  for (i64 n = 0; n < samples; ++n) f[n] = factor_of(n);
  return f.tensor();
}
inline Definition depth_op(bool shortcut) {
  const auto value = [=](const Arrays& in) {
    const Array& x = in.back();
    Array y = shortcut ? in[0] : Array(x.shape());
    for_each_element(x, [&](i64 n, i64 h, i64 w, i64 c) { y(n, h, w, c) += factor_of(n) * x(n, h, w, c); });
    return y;
  };
  const auto gradients = [=](const Arrays& in, const Array& dy, const Terms& term) {
    Array past(dy.shape()), dx(in.back().shape());
    for_each_element(dx, [&](i64 n, i64 h, i64 w, i64 c) {
      dx(n, h, w, c) = term("dy * factor", dy(n, h, w, c) * factor_of(n));
      if (shortcut) past(n, h, w, c) = term("dy", dy(n, h, w, c));
    });
    return shortcut ? Arrays{past, dx} : Arrays{dx};
  };
  Definition op{.name = "stochastic_depth", .inputs = {"x"}, .value = value, .gradients = gradients, .kernel = {}};
  op.kernel = [](const std::vector<Tensor>& in) { return stochastic_depth(in[0], factors(in[0].dim(0))); };
  if (shortcut) {
    op.name = "add_stochastic_depth";
    op.inputs = {"shortcut", "x"};
    op.kernel = [](const std::vector<Tensor>& in) { return add_stochastic_depth(in[0], in[1], factors(in[1].dim(0))); };
  }
  return op;
}

// 5. Check
//
// As before: the gradients against central differences of the definition in double, then the kernels against both.
inline std::vector<Check> checks() {
  const Shape map{4, 3, 2, 5};
  const Array x = random_array(map, 1), s = random_array({4, 1, 1, 5}, 2, 0.5, 2), shortcut = random_array(map, 3);
  constexpr double kTolerance = 1e-6;  // sums of at most 120 numbers, in parts: a few roundings of 6e-8
  // sum and mean are linear, so the mutation test may take a step of 1, which lifts them above the rounding of the sum.
  return {{sum_op(), {x}, kTolerance, {}, 1},  {mean_op(), {x}, kTolerance, {}, 1},
          {channels_op(), {x, s}, kTolerance}, {squeeze_op(), {x, s}, kTolerance},
          {depth_op(false), {x}, kTolerance},  {depth_op(true), {shortcut, x}, kTolerance}};
}

// 6. Adjoint
//
// For the sum, A is a row of ones and A' a column of ones:
//
//     dot(dy, A v) = dy * sum over i of v[i] = dot(A' dy, v)
//
// which says it all: summing forwards is copying backwards. squeeze_excite is linear in its weight v, but not in x,
// which occurs twice; there the derivative along a random direction takes the place of A v.
inline std::vector<Linear> linear() {
  return {{"sum", {"x"}},
          {"mean", {"x"}},
          {"multiply_channels", {"x", "s"}},
          {"squeeze_excite", {"v"}},
          {"stochastic_depth", {"x"}},
          {"add_stochastic_depth", {"shortcut", "x"}}};
}

// 7. Lost terms
//
// The path through the mean is the one that is forgotten: without it squeeze_excite still trains, a little worse.
inline std::vector<TermList> terms() {
  return {{"sum", {"dy"}},
          {"mean", {"dy"}},
          {"multiply_channels", {"dy * s", "dy * x"}},
          {"squeeze_excite", {"dy * s", "dy * x", "dm / (HW)"}},
          {"stochastic_depth", {"dy * factor"}},
          {"add_stochastic_depth", {"dy", "dy * factor"}}};
}

// 8. Trap and exercise
//
// A float has 24 bits. Once a running sum has come to 2^24 = 16777216, adding 1 to it gives 16777216 again, and from
// there on it stands still. An image of 480 x 640 pixels with 64 channels has more numbers than that. The way out is to
// add up in short parts, and the parts in double: then only numbers that share a part with a large one can be lost. The
// test begins with 2^24 and adds a thousand ones.
inline std::string a_sum_stands_still() {
  Array x({1001});
  for (i64 i = 0; i < x.numel(); ++i) x[i] = i == 0 ? 16777216 : 1;
  const double y = double(sum(x.tensor()).item());
  // What is left out or rounded up in the one part that has 2^24: of the thousand, less than 20.
  return std::fabs(y - 16778216) < 20 ? "" : cat("2^24 + 1000 = ", i64(y));
}

// Exercise. Let every y_o be a sum of all x_i, each with a weight of its own: y_o = sum of w_oi * x_i. What are dx_i
// and dw_oi? Which of the two is a sum, and over what? What changes when x is a batch of many rows and w is the same
// for all of them? (Lesson 4.)

inline Lesson lesson() {
  return {3, "Reduce and spread", by_hand(), checks(), linear(), terms(), {{"a long sum", a_sum_stands_still}}};
}

}  // namespace md::lessons::reduce
