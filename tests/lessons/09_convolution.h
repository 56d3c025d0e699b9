// Lesson 9: Convolution
// After lesson 8, interpolation. Ops: conv2d, upsample_conv2d.
//
// 1. Idea
//
// An output pixel is a weighted sum of the input pixels in a small window around it, and every output pixel uses the
// same weights. Written out, a convolution is nothing but a list of products: each product takes one number of the
// input `x` and one of the weights `w`, and is added to one number of the output `y`.
//
// This is all that its gradients need. A product `x * w` has three places: where its first factor comes from, where its
// second comes from, and where it goes. The output adds it up at the third place. The gradient of `x` adds up
// `dy * w` at the first, and the gradient of `w` adds up `dy * x` at the second. One list, read from three sides.
#pragma once
#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::convolution {
using namespace test;

/// One product of the list: y(n,oy,ox,o) += x(n,iy,ix,c) * w(o,ky,kx,i).
struct Product {
  i64 n, oy, ox, o, iy, ix, c, ky, kx, i;
};

Definition conv(const Conv2dSpec&);  // part 4

// 2. By hand
//
// An image of 3x3 pixels and one channel, a window of 2x2 weights, a bias of 1, no padding. The window fits in 2x2
// places, so y has 2x2 pixels. Its top left pixel is
//
//     y[0,0] = bias + x[0,0] * w[0,0] + x[0,1] * w[0,1]
//     + x[1,0] * w[1,0] + x[1,1] * w[1,1]
//            = 1 + 1 * 1 + 2 * 2 + 0 * 0 + 1 * 1 = 7
//
// and the others are 1 + 2*1 + 0*2 + 1*0 + 3*1 = 6, 1 + 0*1 + 1*2 + 2*0 + 1*1 = 4 and 1 + 1*1 + 3*2 + 1*0 + 1*1 = 9.
//
// Behind y stands a loss L, one number, and dy is what it says: if y[0,1] grows by a little, L grows by dy[0,1] = 2
// times as much. What does the middle pixel of the image do to L? All four windows see it. The top left window
// multiplies it by its last weight 1, the top right by 0, the bottom left by 2, the bottom right by 1:
//
//     dx[1,1] = dy[0,0] * w[1,1] + dy[0,1] * w[1,0]
//     + dy[1,0] * w[0,1] + dy[1,1] * w[0,0]
//             = 1 * 1 + 2 * 0 + 3 * 2 + -1 * 1 = 6
//
// The corner x[0,0] is seen by one window alone: dx[0,0] = 1*1 = 1. A weight is used at all four places, so the first
// one gets
//
//     dw[0,0] = dy[0,0] * x[0,0] + dy[0,1] * x[0,1]
//     + dy[1,0] * x[1,0] + dy[1,1] * x[1,1]
//             = 1 * 1 + 2 * 2 + 3 * 0 + -1 * 1 = 4
//
// The bias is added to every pixel, so its gradient is the sum of dy: 1 + 2 + 3 - 1 = 5.
inline std::vector<ByHand> by_hand() {
  return {{
      .op = conv({}),
      .inputs = {{"x", {1, 3, 3, 1}, {1, 2, 0, 0, 1, 3, 2, 1, 1}},
                 {"w", {1, 2, 2, 1}, {1, 2, 0, 1}},
                 {"bias", {1}, {1}}},
      // blank numbers: the other pixels of y and of each gradient
      .y = {"y", {1, 2, 2, 1}, {7, 6, 4, 9}},
      // end of blank
      .dy = {"dy", {1, 2, 2, 1}, {1, 2, 3, -1}},
      // blank numbers: each is a sum of the products that the number occurs in
      .gradients = {{"dx", {1, 3, 3, 1}, {1, 4, 4, 3, 6, 0, 0, 3, -1}},
                    {"dw", {1, 2, 2, 1}, {4, 2, 7, 9}},
                    {"dbias", {1}, {5}}}
      // end of blank
  }};
}

// 3. Definition
//
// In general there are N images, I input channels, O output channels, and a window of kh x kw taps. Tap (ky,kx) of
// output pixel (oy,ox) sees the input pixel
//
//     iy = oy * stride - pad + ky * dilation
//     ix = ox * stride - pad + kx * dilation
//
// `stride` is the step from window to window, `pad` how far the first window reaches over the border, `dilation` the
// distance between two taps. A tap that falls outside of the image gives no product: there x counts as 0.
//
//     y[n,oy,ox,o] = bias[o] + sum over (ky,kx,i) of x[n,iy,ix,c] * w[o,ky,kx,i]
//
// With `groups` the channels are cut into as many parts, and an output channel sees the input channels of its own part
// alone; i counts within the part and c in the whole image. With one group, c is i.

/// Calls product(p) with every product of the list.
template <class F>
void for_each_product(const Shape& x, const Shape& w, const Shape& y, const Conv2dSpec& s, const F& product) {
  const i64 outputs_of_group = w[0] / s.groups;
  Product p{};
  for (p.n = 0; p.n < y[0]; ++p.n)
    for (p.oy = 0; p.oy < y[1]; ++p.oy)
      for (p.ox = 0; p.ox < y[2]; ++p.ox)
        for (p.o = 0; p.o < w[0]; ++p.o)
          for (p.ky = 0; p.ky < w[1]; ++p.ky)
            for (p.kx = 0; p.kx < w[2]; ++p.kx) {
              // blank: p.iy and p.ix, the pixel that the tap sees; `continue` where it is outside of the image
              p.iy = p.oy * s.stride.h - s.pad.h + p.ky * s.dilation.h;
              p.ix = p.ox * s.stride.w - s.pad.w + p.kx * s.dilation.w;
              if (p.iy < 0 || p.iy >= x[1] || p.ix < 0 || p.ix >= x[2]) continue;
              // end of blank
              for (p.i = 0; p.i < w[3]; ++p.i) {
                p.c = p.o / outputs_of_group * w[3] + p.i;
                product(p);
              }
            }
}

/// How many windows fit along an axis of `in` pixels.
inline i64 places(i64 in, i64 taps, int stride, int pad, int dilation) {
  return (in + 2 * pad - dilation * (taps - 1) - 1) / stride + 1;
}

inline Shape output_shape(const Shape& x, const Shape& w, const Conv2dSpec& s) {
  return {x[0], places(x[1], w[1], s.stride.h, s.pad.h, s.dilation.h),
          places(x[2], w[2], s.stride.w, s.pad.w, s.dilation.w), w[0]};
}

/// x [N,H,W,I], w [O,kh,kw,I/groups], bias [O] -> y [N,OH,OW,O].
inline Array convolve(const Array& x, const Array& w, const Array& bias, const Conv2dSpec& s) {
  Array y(output_shape(x.shape(), w.shape(), s));
  for (i64 i = 0; i < y.numel(); ++i) y[i] = bias[i % bias.numel()];
  for_each_product(x.shape(), w.shape(), y.shape(), s, [&](const Product& p) {
    // blank: add the product to its number of y
    y(p.n, p.oy, p.ox, p.o) += x(p.n, p.iy, p.ix, p.c) * w(p.o, p.ky, p.kx, p.i);
    // end of blank
  });
  return y;
}

// 4. Derivation
//
// Take one product of the list and make its x larger by a small e. Its y grows by w * e, and L by dy * w * e. So the
// product gives dx the term dy * w. The same x stands in other products too, at most one for each tap and output
// channel; changes that small add up, and so do the terms:
//
//     dL/dx[n,iy,ix,c] = sum over "its products" of dy[n,oy,ox,o] * w[o,ky,kx,i]
//
// The sum is over the products in which x[n,iy,ix,c] occurs. A weight is read in the same way, and the bias stands in
// every pixel of its channel with the factor 1:
//
//     dL/dw[o,ky,kx,i] = sum over "its products" of dy[n,oy,ox,o] * x[n,iy,ix,c]
//     dL/dbias[o] = sum over (n,oy,ox) of dy[n,oy,ox,o]
//
// In code, "the sum over the products in which it occurs" is the same loop as before, with += at another place. Nothing
// has to be inverted: no need to ask which windows see a given pixel.
inline Arrays convolution_gradients(const Array& x, const Array& w, const Array& dy, const Conv2dSpec& s,
                                    const Terms& term) {
  Array dx(x.shape()), dw(w.shape()), dbias({w.dim(0)});
  for_each_product(x.shape(), w.shape(), dy.shape(), s, [&](const Product& p) {
    // blank: what the product adds to dx and to dw
    dx(p.n, p.iy, p.ix, p.c) += term("dy * w", dy(p.n, p.oy, p.ox, p.o) * w(p.o, p.ky, p.kx, p.i));
    dw(p.o, p.ky, p.kx, p.i) += term("dy * x", dy(p.n, p.oy, p.ox, p.o) * x(p.n, p.iy, p.ix, p.c));
    // end of blank
  });
  for (i64 i = 0; i < dy.numel(); ++i) {
    // blank: what a pixel of dy adds to the bias of its channel
    dbias[i % dbias.numel()] += term("dy", dy[i]);
    // end of blank
  }
  return {dx, dw, dbias};
}

inline Definition conv(const Conv2dSpec& s) {
  return {.name = "conv2d",
          .inputs = {"x", "w", "bias"},
          .value = [s](const Arrays& in) { return convolve(in[0], in[1], in[2], s); },
          .gradients = [s](const Arrays& in, const Array& dy,
                           const Terms& term) { return convolution_gradients(in[0], in[1], dy, s, term); },
          .kernel = [s](const std::vector<Tensor>& in) { return conv2d(in[0], in[1], in[2], s); }};
}

// A nearest upsampling by two in front of a convolution changes one thing: pixel (iy,ix) of the large map is pixel
// (iy/2, ix/2) of the small one, rounded down. The list is that of the large map, and the products read and write the
// small one; four pixels of the large map share one x, and its gradient gets the terms of all four. The kernel never
// makes the large map: it adds up the weights that meet the same pixel.
inline Definition upsample_conv() {
  const auto large = [](const Array& x) { return Shape{x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3)}; };
  const Conv2dSpec s{.pad = 1};
  return {.name = "upsample_conv2d",
          .inputs = {"x", "w"},
          .value =
              [=](const Arrays& in) {
                const Array &x = in[0], &w = in[1];
                Array y(output_shape(large(x), w.shape(), s));
                for_each_product(large(x), w.shape(), y.shape(), s, [&](const Product& p) {
                  y(p.n, p.oy, p.ox, p.o) += x(p.n, p.iy / 2, p.ix / 2, p.c) * w(p.o, p.ky, p.kx, p.i);
                });
                return y;
              },
          .gradients =
              [=](const Arrays& in, const Array& dy, const Terms& term) {
                const Array &x = in[0], &w = in[1];
                Array dx(x.shape()), dw(w.shape());
                for_each_product(large(x), w.shape(), dy.shape(), s, [&](const Product& p) {
                  const double up = dy(p.n, p.oy, p.ox, p.o);
                  dx(p.n, p.iy / 2, p.ix / 2, p.c) += term("dy * w", up * w(p.o, p.ky, p.kx, p.i));
                  dw(p.o, p.ky, p.kx, p.i) += term("dy * x", up * x(p.n, p.iy / 2, p.ix / 2, p.c));
                });
                return Arrays{dx, dw};
              },
          .kernel = [](const std::vector<Tensor>& in) { return upsample_conv2d(in[0], in[1]); }};
}

// 5. Check
//
// First the calculus: the gradients as they stand above, against central differences of the definition, both in double
// (how that works and how it lies: the appendix of tests/layers/README.md). They agree to 1e-8. Then the program: the
// kernel that networks run, in float, against the definition. Two steps, because two things can be wrong.
//
// All sizes differ: batch, height, width, both channels, both sides of the window, and stride, padding and dilation
// along each axis. Where two sizes are equal, two indices can be swapped and nobody sees it.
inline std::vector<Check> checks() {
  const Conv2dSpec spec{.stride = {2, 1}, .pad = {1, 2}, .dilation = {2, 1}, .groups = 2};
  // Sums of at most 60 products in float, in whatever order the library likes: 60 roundings of 6e-8 at the very worst.
  constexpr double kTolerance = 2e-6;
  return {
      {conv(spec), {random_array({2, 5, 8, 4}, 1), random_array({6, 2, 3, 2}, 2), random_array({6}, 3)}, kTolerance},
      {upsample_conv(), {random_array({2, 3, 4, 5}, 4), random_array({6, 3, 3, 5}, 5)}, kTolerance}};
}

// 6. Adjoint
//
// With w fixed, y = A x + b, and A is a matrix: one row for each number of y, one column for each of x, most entries 0.
// What goes back is dx = A' dy, where A' is the transposed matrix. That is testable without one derivative. For any v,
//
//     dot(dy, A v) = dot(A' dy, v)
//
// since both are the sum of dy_i * A_ij * v_j. The left side uses the forward pass alone, the right side the backward
// pass, and a wrong index in either breaks the equality. The same holds with x fixed, for w, and for the bias.
//
// This also says what the adjoint of a convolution is: where the forward pass gathers a window into a pixel, A' spreads
// a pixel over a window. With stride 2 it makes an image of twice the size, and some libraries call it a "transposed
// convolution" for this reason.
inline std::vector<Linear> linear() { return {{"conv2d", {"x", "w", "bias"}}, {"upsample_conv2d", {"x", "w"}}}; }

// 7. Lost terms
//
// A check that cannot fail proves nothing. So each term is left out once, and once its sign is turned round, and each
// time the check has to fail.
inline std::vector<TermList> terms() {
  return {{"conv2d", {"dy * w", "dy * x", "dy"}}, {"upsample_conv2d", {"dy * w", "dy * x"}}};
}

// 8. Trap and exercise
//
// The trap is the border. In memory a row follows the row above it, so the pixel "left of" the first pixel of a row is
// the last pixel of the row above: no crash, and a wrong number only along one edge. The test puts 100 into the last
// column of an image of zeros and a window that looks one to the left: nothing of it may reach the first column.
inline std::string the_right_edge_reaches_the_left_one() {
  Array x({1, 3, 4, 1}), w({1, 1, 2, 1}, {1, 0});  // two taps side by side; the left one counts
  for (i64 y = 0; y < 3; ++y) x(0, y, 3, 0) = 100;
  const Tensor zero = Tensor::zeros({1});
  const Array y(conv2d(x.tensor(), w.tensor(), zero, {.pad = {0, 1}}));
  for (i64 row = 0; row < 3; ++row) {
    if (y(0, row, 0, 0) != 0) return cat("row ", row, " begins with ", y(0, row, 0, 0));
  }
  return "";
}

// Exercise. A convolution with a bias is followed by a step that subtracts from each channel its mean over all pixels
// of the batch. What is the gradient of the bias? (Work out what a change of the bias does to the output of that step.
// Lesson 10 has the answer, and the reason why the convolutions of most networks have no bias.)

inline Lesson lesson() {
  return {
      9, "Convolution", by_hand(), checks(), linear(), terms(), {{"the border", the_right_edge_reaches_the_left_one}}};
}

}  // namespace md::lessons::convolution
