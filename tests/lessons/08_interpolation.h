// Lesson 8: Interpolation
// After lesson 7, pooling. Ops: upsample_bilinear, upsample_nearest, upsample_concat.
//
// 1. Idea
//
// A decoder makes small maps larger. A pixel of the large map stands somewhere between the pixels of the small one, and
// is a weighted mean of those around it. The weights depend on where the pixels stand and on nothing else: they are
// constants, and no number of x takes part in choosing them.
//
// So the op is a matrix: y = A x, with one row for each pixel of y and one column for each pixel of x. It is never
// written out, because a row has at most four entries that are not 0. What exists is a list: output pixel, input pixel,
// weight. The forward pass reads the list from the side of the output, the gradient from the side of the input.
#pragma once
#include <algorithm>
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::interpolation {
using namespace test;

/// Along one axis: output `to` reads input `from` with this weight.
struct Tap {
  i64 to, from;
  double weight;
};
using Taps = std::vector<Tap>;

Definition bilinear(i64 h, i64 w, Corners);  // part 4
Definition nearest(i64 h, i64 w);            // part 4

// 2. By hand
//
// *Twice as wide.* A row of two pixels, 4 and 8, becomes a row of four. Pixels are areas here: two old ones are as wide
// as four new ones. The centre of new pixel j is at j + 0.5 new widths, which is half as many old ones, and old pixel i
// has its centre at i + 0.5. So new pixel j stands at p = (j + 0.5) / 2 - 0.5 = -0.25, 0.25, 0.75, 1.25, counted in
// old pixels. Outside of 0 and 1 there is nothing to mix: the first is 4, the last is 8. Between them
//
//     y[1] = 0.75 * 4 + 0.25 * 8 = 5
//     y[2] = 0.25 * 4 + 0.75 * 8 = 7
//
// Let dy be 1, 2, 4, -1. The first pixel of x is read by y[0] with weight 1, by y[1] with 0.75, by y[2] with 0.25:
//
//     dx[0] = 1 * 1 + 0.75 * 2 + 0.25 * 4 = 3.5
//     dx[1] = 0.25 * 2 + 0.75 * 4 + 1 * -1 = 2.5
//
// Together that is 6, and so is dy: the weights of each output add up to 1, so each part of dy arrives somewhere.
//
// *Corners on corners.* 2x2 pixels become 3x3, and now pixels are points: the four corners stay where they are, and the
// new ones stand halfway. The middle is the mean of all four: (1 + 3 + 5 + 9) / 4 = 4.5. The top left pixel of x is
// read by four pixels of y:
//
//     dx[0,0] = 1 * dy[0,0] + 0.5 * dy[0,1] + 0.5 * dy[1,0] + 0.25 * dy[1,1]
//             = 1 * 1 + 0.5 * 2 + 0.5 * 2 + 0.25 * 4 = 4
//
// *The nearest pixel.* Two pixels become three, without mixing: output j takes pixel floor(j * 2 / 3) = 0, 0, 1. The
// first one is copied twice, and its gradient is 1 + 2 = 3.
inline std::vector<ByHand> by_hand() {
  return {{.op = bilinear(1, 4, Corners::half_pixel),
           .inputs = {{"x", {1, 1, 2, 1}, {4, 8}}},
           .y = {"y", {1, 1, 4, 1}, {4, 5, 7, 8}},
           .dy = {"dy", {1, 1, 4, 1}, {1, 2, 4, -1}},
           .gradients = {{"dx", {1, 1, 2, 1}, {3.5, 2.5}}}},
          {.op = bilinear(3, 3, Corners::align),
           .inputs = {{"x", {1, 2, 2, 1}, {1, 3, 5, 9}}},
           .y = {"y", {1, 3, 3, 1}, {1, 2, 3, 3, 4.5, 6, 5, 7, 9}},
           .dy = {"dy", {1, 3, 3, 1}, {1, 2, 0, 2, 4, 0, 0, 0, -1}},
           // blank numbers: for each pixel of x, the pixels of y that read it
           .gradients = {{"dx", {1, 2, 2, 1}, {4, 2, 2, 0}}}},
          // end of blank
          {.op = nearest(1, 3),
           .inputs = {{"x", {1, 1, 2, 1}, {4, 8}}},
           .y = {"y", {1, 1, 3, 1}, {4, 4, 8}},
           .dy = {"dy", {1, 1, 3, 1}, {1, 2, 5}},
           .gradients = {{"dx", {1, 1, 2, 1}, {3, 5}}}}};
}

// 3. Definition
//
// First, where output j of an axis stands, in pixels of the input. `from` and `to` are the sizes of the axis. There are
// two conventions, and networks are trained with either: pixels are areas (half_pixel) or points (align).
//
//     p = max(0, (j + 1/2) * from / to - 1/2)  "half_pixel"
//     p = j * (from - 1) / (to - 1)  "align"
//
// Where a factor s is given and no size, the first one takes 1 / s for from / to. They differ if s * from is not whole.
inline double position(i64 j, i64 from, i64 to, const Interpolation& how) {
  if (how.corners == Corners::align) return to == 1 ? 0 : double(j) * double(from - 1) / double(to - 1);
  const double step = how.scale_factor > 0 ? 1 / how.scale_factor : double(from) / double(to);
  return std::max(0., (double(j) + 0.5) * step - 0.5);
}

// Then, what it reads. With low = floor(p) and f = p - low, it is linear between two pixels:
//
//     y[j] = (1 - f) * x[low] + f * x[low + 1]
//
// At f = 0 it is the lower one, at f = 1 the higher one. Behind the last pixel there is no higher one, and the last
// pixel takes both weights.
inline Taps bilinear_taps(i64 from, i64 to, const Interpolation& how) {
  Taps taps;
  for (i64 j = 0; j < to; ++j) {
    const double p = position(j, from, to, how);
    const i64 low = std::min(i64(std::floor(p)), from - 1), high = std::min(low + 1, from - 1);
    const double f = p - double(low);
    // blank: the two taps of output j: taps.push_back({j, input, weight})
    taps.push_back({j, low, 1 - f});
    taps.push_back({j, high, f});
    // end of blank
  }
  return taps;
}

/// Each output reads one input.
inline Taps nearest_taps(i64 from, i64 to) {
  Taps taps;
  for (i64 j = 0; j < to; ++j) taps.push_back({j, j * from / to, 1});
  return taps;
}

// A map has two axes. Bilinear is linear along rows, then along columns, so the weights multiply: the list of the map
// is all pairs of a tap `r` of the rows and a tap `q` of the columns. All images and channels have the same list.

/// Calls read(n, r, q, c) for every entry of the list.
template <class F>
void for_each_reading(i64 images, const Taps& rows, const Taps& columns, i64 channels, const F& read) {
  for (i64 n = 0; n < images; ++n)
    for (const Tap& r : rows)
      for (const Tap& q : columns)
        for (i64 c = 0; c < channels; ++c) read(n, r, q, c);
}

/// x [N,H,W,C] -> y [N,h,w,C], h and w how many outputs the taps have.
inline Array interpolate(const Array& x, const Taps& rows, const Taps& columns) {
  Array y({x.dim(0), rows.back().to + 1, columns.back().to + 1, x.dim(3)});
  for_each_reading(x.dim(0), rows, columns, x.dim(3), [&](i64 n, const Tap& r, const Tap& q, i64 c) {
    // blank: what the entry adds to its pixel of y
    y(n, r.to, q.to, c) += r.weight * q.weight * x(n, r.from, q.from, c);
    // end of blank
  });
  return y;
}

// 4. Derivation
//
// Make one pixel of x larger by a small e. Every y that reads it grows by weight * e, and L by dy * weight * e. So
//
//     dL/dx[n,iy,ix,c] = sum over readings of r_weight * q_weight * dy[n,oy,ox,c]
//
// The sum is over the entries of the list whose input pixel is (iy,ix). How many there are depends on the sizes, on
// rounding and on the border; but nobody has to ask. The loop goes over the list as before, reads dy where it wrote y,
// and adds to dx where it read x. As a matrix: row and column of each entry change places, which is A'.
//
// Note what the gradient of an enlargement is *not*. It is not dy made smaller: the weights of an output add up to 1,
// the weights with which a pixel of x is read do not. In the first example they are 1 + 0.75 + 0.25 = 2 for each pixel.
inline Array interpolation_gradient(const Shape& x, const Array& dy, const Taps& rows, const Taps& columns,
                                    const Terms& term) {
  Array dx(x);
  for_each_reading(x[0], rows, columns, x[3], [&](i64 n, const Tap& r, const Tap& q, i64 c) {
    // blank: what the entry adds to its pixel of dx
    dx(n, r.from, q.from, c) += term("weight * dy", r.weight * q.weight * dy(n, r.to, q.to, c));
    // end of blank
  });
  return dx;
}

/// An op that is such a list; `taps(from, to)` are those of an axis.
inline Definition of_taps(const char* name, i64 h, i64 w, const std::function<Taps(i64 from, i64 to)>& taps,
                          const std::function<Tensor(const Tensor& x)>& kernel) {
  return {.name = name,
          .inputs = {"x"},
          .value = [=](const Arrays& in) { return interpolate(in[0], taps(in[0].dim(1), h), taps(in[0].dim(2), w)); },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                const Shape& x = in[0].shape();
                return Arrays{interpolation_gradient(x, dy, taps(x[1], h), taps(x[2], w), term)};
              },
          .kernel = [=](const std::vector<Tensor>& in) { return kernel(in[0]); }};
}

inline Definition bilinear(i64 h, i64 w, Corners corners) {
  return of_taps(
      "upsample_bilinear", h, w, [=](i64 from, i64 to) { return bilinear_taps(from, to, {corners}); },
      [=](const Tensor& x) { return upsample_bilinear(x, h, w, corners); });
}

/// The size is floor(factor * side), for which `h` and `w` stand.
inline Definition bilinear_by_factor(i64 h, i64 w, double factor) {
  return of_taps(
      "upsample_bilinear", h, w, [=](i64 from, i64 to) { return bilinear_taps(from, to, {.scale_factor = factor}); },
      [=](const Tensor& x) { return upsample_bilinear(x, factor); });
}

inline Definition nearest(i64 h, i64 w) {
  return of_taps("upsample_nearest", h, w, nearest_taps, [=](const Tensor& x) { return upsample_nearest(x, h, w); });
}

// A decoder then puts the enlarged map beside one of the encoder that has the size already. upsample_concat does both:
// the first channels of y are the enlarged x, the others are `beside` as it is. The gradient is cut at the same place
// (lesson 5): the first channels of dy go back through the list, the others are the gradient of `beside`.
inline Array channels_of(const Array& map, i64 first, i64 count) {
  Array part({map.dim(0), map.dim(1), map.dim(2), count});
  for (i64 i = 0; i < part.numel(); ++i) part[i] = map[i / count * map.dim(3) + first + i % count];
  return part;
}

inline Definition enlarged_beside_another() {
  const auto taps = [](i64 from, i64 to) { return bilinear_taps(from, to, {}); };
  return {.name = "upsample_concat",
          .inputs = {"x", "beside"},
          .value =
              [=](const Arrays& in) {
                const Array &x = in[0], &beside = in[1];
                const Array large = interpolate(x, taps(x.dim(1), beside.dim(1)), taps(x.dim(2), beside.dim(2)));
                const i64 C = x.dim(3), K = beside.dim(3);
                Array y({x.dim(0), beside.dim(1), beside.dim(2), C + K});
                for (i64 i = 0; i < y.numel(); ++i) {
                  const i64 pixel = i / (C + K), c = i % (C + K);
                  y[i] = c < C ? large[pixel * C + c] : beside[pixel * K + c - C];
                }
                return y;
              },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                const Shape &x = in[0].shape(), &beside = in[1].shape();
                const Array dlarge = channels_of(dy, 0, x[3]);
                Array dbeside = channels_of(dy, x[3], beside[3]);
                for (i64 i = 0; i < dbeside.numel(); ++i) dbeside[i] = term("dy of beside", dbeside[i]);
                return Arrays{interpolation_gradient(x, dlarge, taps(x[1], beside[1]), taps(x[2], beside[2]), term),
                              dbeside};
              },
          .kernel = [](const std::vector<Tensor>& in) { return upsample_concat(in[0], in[1]); }};
}

// 5. Check
//
// The ops are linear in x, so a central difference has no error but rounding. No size is a multiple of another, larger
// along one axis and smaller along the other, and a factor of 1.7 makes 6 rows into floor(10.2) = 10, which are 1 / 1.7
// pixels apart and not 6 / 10.
inline std::vector<Check> checks() {
  // The kernels compute positions in float, as PyTorch does: at p = 6 that is 6 * 6e-8, and so is the weight.
  constexpr double kTolerance = 2e-6;
  const Arrays x = {random_array({2, 4, 6, 3}, 1)};
  return {{bilinear(7, 13, Corners::half_pixel), x, kTolerance},
          {bilinear(9, 5, Corners::align), x, kTolerance},
          {bilinear_by_factor(6, 10, 1.7), x, kTolerance},
          {nearest(7, 4), x, kTolerance},
          {enlarged_beside_another(), {x[0], random_array({2, 9, 5, 2}, 2)}, kTolerance}};
}

// 6. Adjoint
//
// What is linear can be tested without a derivative. For y = A x and dx = A' dy, any v has
//
//     dot(dy, A v) = dot(A' dy, v)
//
// since both are the sum of dy_i * A_ij * v_j, over all i and j. The left side runs the forward pass on v, the right
// side the gradient on dy: nothing else is needed, not even a small step. Here the equation says all that there is to
// say about the gradient, because an op that is linear *is* its matrix.
inline std::vector<Linear> linear() {
  return {{"upsample_bilinear", {"x"}}, {"upsample_nearest", {"x"}}, {"upsample_concat", {"x", "beside"}}};
}

// 7. Lost terms
//
// There is one kind of term, an entry of the list, and no other path to x: positions and weights do not depend on it.
inline std::vector<TermList> terms() {
  return {{"upsample_bilinear", {"weight * dy"}},
          {"upsample_nearest", {"weight * dy"}},
          {"upsample_concat", {"weight * dy", "dy of beside"}}};
}

// 8. Trap and exercise
//
// The trap is a p without its max(0, ...). Twice as wide, the first output stands at p = -0.25, and a conversion to int
// rounds towards 0: low is 0 and f is -0.25. Then y is 1.25 * x[0] - 0.25 * x[1], and an image of black and white gets
// pixels that are darker than black. The test enlarges a row 0, 100 fourfold: no mean of them is below 0 or above 100.
inline std::string a_mean_leaves_the_range() {
  const Array y(upsample_bilinear(Array({1, 1, 2, 1}, {0, 100}).tensor(), 1, 8));
  for (i64 i = 0; i < y.numel(); ++i) {
    if (y[i] < 0 || y[i] > 100) return cat("pixel ", i, " of a mean of 0 and 100 is ", y[i]);
  }
  return "";
}

// A second one makes no wrong number, and is older than networks: bilinear also makes maps smaller, but each output
// still reads two pixels of an axis. At a quarter of the size half of the pixels of an axis are read by nobody and get
// the gradient 0. avg_pool of lesson 7 reads all of them.
//
// Exercise. The weights here are constants. Let them be numbers that are learned: nine of them, the same for each
// output pixel, one for each of the 3x3 input pixels around it. What is the gradient of such a weight? (Which entries
// of the list is it in? Lesson 9 has the answer.)

inline Lesson lesson() {
  return {
      8, "Interpolation", by_hand(), checks(), linear(), terms(), {{"a negative position", a_mean_leaves_the_range}}};
}

}  // namespace md::lessons::interpolation
