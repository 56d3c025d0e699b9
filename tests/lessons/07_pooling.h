// Lesson 7: Pooling
// After lesson 6, pad, crop, shuffle. Ops: max_pool, avg_pool, adaptive_avg_pool.
//
// 1. Idea
//
// Pooling makes a map smaller: each output pixel stands for a window of input pixels, by their largest number or by
// their mean.
//
// The largest is a copy, as in lesson 6, but which pixel is copied depends on the numbers. As long as no other pixel
// overtakes it, that does not matter: a small change of the others does nothing, a small change of the largest
// moves y as much. So the winner gets the whole gradient and all others get 0. The mean is a sum, as in lesson 3: all
// pixels of the window get an equal share.
#pragma once
#include <limits>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::pooling {
using namespace test;

Definition max_op(const PoolSpec&);  // part 4
Definition avg_op(int kernel);       // part 4

// 2. By hand
//
// An image of 3x3 pixels with rows (1, 5, 2), (3, 4, 0), (6, 1, 2), and windows of 2x2 at a step of 1. The four largest
// are
//
//     max(1, 5, 3, 4) = 5, max(5, 2, 4, 0) = 5
//     max(3, 4, 6, 1) = 6, max(4, 0, 1, 2) = 4
//
// The 5 wins two windows and gets the gradients of both, 1 + 2 = 3. The 6 and the 4 win one each. All others get 0.
//
// The mean of the 2x2 image (1, 2, 3, 6) is 3, and with dy = 8 every pixel gets a quarter of it.
inline std::vector<ByHand> by_hand() {
  return {{
              .op = max_op({2, 1, 0}),
              .inputs = {{"x", {1, 3, 3, 1}, {1, 5, 2, 3, 4, 0, 6, 1, 2}}},
              // blank numbers: the largest of each window
              .y = {"y", {1, 2, 2, 1}, {5, 5, 6, 4}},
              // end of blank
              .dy = {"dy", {1, 2, 2, 1}, {1, 2, 3, 4}},
              // blank numbers: what each pixel has won
              .gradients = {{"dx", {1, 3, 3, 1}, {0, 3, 0, 0, 4, 0, 3, 0, 0}}}
              // end of blank
          },
          {.op = avg_op(2),
           .inputs = {{"x", {1, 2, 2, 1}, {1, 2, 3, 6}}},
           .y = {"y", {1, 1, 1, 1}, {3}},
           .dy = {"dy", {1, 1, 1, 1}, {8}},
           .gradients = {{"dx", {1, 2, 2, 1}, {2, 2, 2, 2}}}}};
}

// 3. Definition
//
// The window of output (oy,ox) begins at input pixel (oy * stride - pad, ox * stride - pad). Pixels outside of the
// image do not take part; they count as less than anything. Where two pixels are equal, the first in reading order
// wins, as in PyTorch.
//
//     y[n,oy,ox,c] = max over "the window" of x[n,iy,ix,c]

/// Calls visit(n, oy, ox, c, iy, ix) with the winner of each window.
template <class Visit>
void for_each_winner(const Array& x, const Shape& y, const PoolSpec& s, const Visit& visit) {
  for (i64 n = 0; n < y[0]; ++n)
    for (i64 oy = 0; oy < y[1]; ++oy)
      for (i64 ox = 0; ox < y[2]; ++ox)
        for (i64 c = 0; c < y[3]; ++c) {
          double best = -std::numeric_limits<double>::infinity();
          i64 by = -1, bx = -1;
          for (i64 iy = oy * s.stride - s.pad; iy < oy * s.stride - s.pad + s.kernel; ++iy)
            for (i64 ix = ox * s.stride - s.pad; ix < ox * s.stride - s.pad + s.kernel; ++ix) {
              if (iy < 0 || iy >= x.dim(1) || ix < 0 || ix >= x.dim(2)) continue;
              // blank: whether this pixel is the best so far; if so, keep it in best, by, bx
              if (x(n, iy, ix, c) <= best) continue;
              best = x(n, iy, ix, c);
              by = iy;
              bx = ix;
              // end of blank
            }
          visit(n, oy, ox, c, by, bx);
        }
}

inline Shape output_shape(const Shape& x, const PoolSpec& s) {
  const auto places = [&](i64 side) { return (side + 2 * s.pad - s.kernel) / s.stride + 1; };
  return {x[0], places(x[1]), places(x[2]), x[3]};
}

inline Array largest(const Array& x, const PoolSpec& s) {
  Array y(output_shape(x.shape(), s));
  for_each_winner(x, y.shape(), s,
                  [&](i64 n, i64 oy, i64 ox, i64 c, i64 iy, i64 ix) { y(n, oy, ox, c) = x(n, iy, ix, c); });
  return y;
}

// adaptive_avg_pool is told the size h x w of its output instead of a window. Output row i is the mean of the input
// rows from floor(i * H / h) up to, and without, ceil((i + 1) * H / h). Where h does not divide H these bins overlap;
// where h > H they repeat rows. avg_pool is the case of equal squares.
//
//     y[n,i,j,c] = mean over "bin (i,j)" of x[n,iy,ix,c]

/// Calls visit(n, i, j, c, iy, ix, share) for every pixel of every bin; share is 1 / (pixels of the bin).
template <class Visit>
void for_each_share(const Shape& x, i64 h, i64 w, const Visit& visit) {
  const auto begin = [](i64 i, i64 from, i64 to) { return i * from / to; };
  const auto end = [](i64 i, i64 from, i64 to) { return ((i + 1) * from + to - 1) / to; };
  for (i64 n = 0; n < x[0]; ++n)
    for (i64 i = 0; i < h; ++i)
      for (i64 j = 0; j < w; ++j)
        for (i64 iy = begin(i, x[1], h); iy < end(i, x[1], h); ++iy)
          for (i64 ix = begin(j, x[2], w); ix < end(j, x[2], w); ++ix) {
            const i64 pixels = (end(i, x[1], h) - begin(i, x[1], h)) * (end(j, x[2], w) - begin(j, x[2], w));
            for (i64 c = 0; c < x[3]; ++c) visit(n, i, j, c, iy, ix, 1 / double(pixels));
          }
}

inline Array means(const Array& x, i64 h, i64 w) {
  Array y({x.dim(0), h, w, x.dim(3)});
  for_each_share(x.shape(), h, w, [&](i64 n, i64 i, i64 j, i64 c, i64 iy, i64 ix, double share) {
    y(n, i, j, c) += share * x(n, iy, ix, c);
  });
  return y;
}

// 4. Derivation
//
// While the winner w of a window stays the winner, y = x[w]. Its slope is 1, that of every other pixel 0:
//
//     dL/dx[n,iy,ix,c] = sum over "windows that it wins" of dy[n,oy,ox,c]
//
// Windows may overlap, so a pixel can win several: +=. The op has to remember who won; it keeps one byte for each
// output, the place in the window. At a tie y has a corner, as relu at 0: made larger, either of two equal pixels
// raises y, made smaller, neither lowers it. All the gradient goes to the first.
inline Array largest_gradient(const Array& x, const Array& dy, const PoolSpec& s, const Terms& term) {
  Array dx(x.shape());
  for_each_winner(x, dy.shape(), s, [&](i64 n, i64 oy, i64 ox, i64 c, i64 iy, i64 ix) {
    // blank: what the winner gets
    dx(n, iy, ix, c) += term("dy", dy(n, oy, ox, c));
    // end of blank
  });
  return dx;
}

inline Definition max_op(const PoolSpec& s) {
  return {.name = "max_pool",
          .inputs = {"x"},
          .value = [s](const Arrays& in) { return largest(in[0], s); },
          .gradients = [s](const Arrays& in, const Array& dy,
                           const Terms& term) { return Arrays{largest_gradient(in[0], dy, s, term)}; },
          .kernel = [s](const std::vector<Tensor>& in) { return max_pool(in[0], s); }};
}

// For the mean, each pixel of a bin moves y by `share` of what it moves itself, and where bins overlap it moves
// several:
//
//     dL/dx[n,iy,ix,c] = sum over "bins that have it" of dy[n,i,j,c] / pixels
/// A mean over bins; `size` says how many rows and columns of them a map of that shape has.
inline Definition mean_op(const char* name, std::function<PerAxis(const Shape&)> size,
                          std::function<Tensor(const Tensor&)> kernel) {
  return {.name = name,
          .inputs = {"x"},
          .value =
              [=](const Arrays& in) {
                const PerAxis bins = size(in[0].shape());
                return means(in[0], bins.h, bins.w);
              },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                Array dx(in[0].shape());
                const auto share_out = [&](i64 n, i64 i, i64 j, i64 c, i64 iy, i64 ix, double share) {
                  // blank: what a pixel of the bin gets
                  dx(n, iy, ix, c) += term("dy / pixels", dy(n, i, j, c) * share);
                  // end of blank
                };
                for_each_share(in[0].shape(), dy.dim(1), dy.dim(2), share_out);
                return Arrays{dx};
              },
          .kernel = [kernel](const std::vector<Tensor>& in) { return kernel(in[0]); }};
}
inline Definition adaptive_op(int h, int w) {
  return mean_op(
      "adaptive_avg_pool", [=](const Shape&) { return PerAxis(h, w); },
      [=](const Tensor& x) { return adaptive_avg_pool(x, h, w); });
}
inline Definition avg_op(int kernel) {
  return mean_op(
      "avg_pool", [=](const Shape& x) { return PerAxis(int(x[1]) / kernel, int(x[2]) / kernel); },
      [=](const Tensor& x) { return avg_pool(x, kernel); });
}

// 5. Check
//
// A difference quotient must not change who wins. So the values for max_pool are a shuffled sequence in steps of 0.1,
// and the step of the differences is far below that. The means are tried with bins that overlap.
inline std::vector<Check> checks() {
  Array apart({2, 5, 4, 3});
  for (i64 i = 0; i < apart.numel(); ++i) apart[i] = double(0.1F * float(i * 37 % apart.numel()));
  constexpr double kTolerance = 5e-7;  // sums of at most nine numbers: a few roundings of 6e-8
  // The means are linear, so the mutation test may take a step of 1.
  return {{max_op({3, 2, 1}), {apart}, kTolerance},
          {adaptive_op(3, 4), {random_array({2, 7, 6, 3}, 1)}, kTolerance, {}, 1},
          {avg_op(2), {random_array({2, 4, 6, 3}, 2)}, kTolerance, {}, 1}};
}

// 6. Adjoint
//
// The means are linear. The matrix of avg_pool has rows with four entries of 1/4; the transposed one spreads a pixel
// over a square, with a quarter each. max_pool is not linear, but near a given x it is the copy by its winners, and the
// derivative along a random direction v is the same copy of v.
inline std::vector<Linear> linear() { return {{"avg_pool", {"x"}}, {"adaptive_avg_pool", {"x"}}}; }

// 7. Lost terms
//
// One term each. What can be lost is a window: where windows overlap, = in place of += keeps the last one alone. Here
// windows of 3 stand at a step of 2, and bins overlap, so the check sees it.
inline std::vector<TermList> terms() {
  return {{"max_pool", {"dy"}}, {"adaptive_avg_pool", {"dy / pixels"}}, {"avg_pool", {"dy / pixels"}}};
}

// 8. Trap and exercise
//
// The trap is the border of max_pool. Convolutions pad with 0, and whoever does the same here lets the border win
// wherever all pixels of a window are negative: y is 0, a number that is not in the image, and its gradient goes
// nowhere. Behind a relu nobody would notice.
inline std::string the_border_wins() {
  const float y = max_pool(Tensor::full({1, 1, 1, 1}, -5.F), {3, 2, 1}).item();
  return y == -5.F ? "" : cat("the largest number of an image of -5 is ", y);
}

// Exercise. Read the transposed matrix of avg_pool(2) as an op of its own: it takes a small map and gives one of twice
// the size. Which image op is that, apart from the factor 1/4? And what is then the gradient of that op? (Lesson 8.)

inline Lesson lesson() {
  return {7, "Pooling", by_hand(), checks(), linear(), terms(), {{"a negative image", the_border_wins}}};
}

}  // namespace md::lessons::pooling
