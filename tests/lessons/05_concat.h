// Lesson 5: Concat and slice
// After lesson 4, linear. Ops: concat, slice_channels.
//
// 1. Idea
//
// concat writes maps one behind the other along their channels; a decoder does it with a skip connection from the
// encoder. slice_channels takes a range of channels out again. Neither computes anything: numbers move, each to one
// place.
//
// A number that only moves has the slope 1, so its gradient is the gradient of the place where it went. Backwards
// concat is a slice, and slice is a concat with zeros: what is not taken out has no effect on L, and a number without
// an effect has the gradient 0.
#pragma once
#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::concat {
using namespace test;

Definition concat_op();  // part 4
Definition slice_op();   // part 4

// 2. By hand
//
// Two pixels. Map a has one channel, map b two. Behind each other:
//
//     a = (1), (2), b = (3, 4), (5, 6)
//     y = (1, 3, 4), (2, 5, 6)
//
// dy = (7, 8, 9), (-1, 0, 2) is cut at the same place: da = (7), (-1) and db = (8, 9), (0, 2).
//
// Channel 1 alone, taken out of y, is (3), (5). If its dy is (4), (6), then the whole map gets (0, 4, 0), (0, 6, 0).
inline std::vector<ByHand> by_hand() {
  return {{
              .op = concat_op(),
              .inputs = {{"a", {2, 1}, {1, 2}}, {"b", {2, 2}, {3, 4, 5, 6}}},
              // blank numbers: pixel by pixel
              .y = {"y", {2, 3}, {1, 3, 4, 2, 5, 6}},
              // end of blank
              .dy = {"dy", {2, 3}, {7, 8, 9, -1, 0, 2}},
              // blank numbers: dy cut in two
              .gradients = {{"da", {2, 1}, {7, -1}}, {"db", {2, 2}, {8, 9, 0, 2}}}
              // end of blank
          },
          {
              .op = slice_op(),
              .inputs = {{"x", {2, 3}, {1, 3, 4, 2, 5, 6}}},
              .y = {"y", {2, 1}, {3, 5}},
              .dy = {"dy", {2, 1}, {4, 6}},
              // blank numbers: zeros where nothing was taken
              .gradients = {{"dx", {2, 3}, {0, 4, 0, 0, 6, 0}}}
              // end of blank
          }};
}

// 3. Definition
//
// The channels are the last axis. All other axes count as rows r, since nothing happens along them.
//
//     y[r,first_k + c] = part_k[r,c]
//
// first_k is how many channels stand before part k. The slice [begin, end) is y[r,c] = x[r,begin + c].

/// Parts [R,C_k] -> [R,C_0 + C_1 + ...].
inline Array side_by_side(const Arrays& parts) {
  i64 channels = 0;
  for (const Array& part : parts) channels += part.dim(1);
  Array y({parts[0].dim(0), channels});
  i64 first = 0;
  for (const Array& part : parts) {
    for (i64 r = 0; r < part.dim(0); ++r)
      for (i64 c = 0; c < part.dim(1); ++c) y(r, first + c) = part(r, c);
    first += part.dim(1);
  }
  return y;
}

/// Channels [begin, end) of x [R,C].
inline Array channels_of(const Array& x, i64 begin, i64 end) {
  Array y({x.dim(0), end - begin});
  for (i64 r = 0; r < x.dim(0); ++r)
    for (i64 c = begin; c < end; ++c) {
      // blank: y at the right place
      y(r, c - begin) = x(r, c);
      // end of blank
    }
  return y;
}

// 4. Derivation
//
// part_k[r,c] occurs in one number of y, with the slope 1, and nowhere else:
//
//     dL/dpart_k[r,c] = dy[r,first_k + c]
//
// This is what lesson 4 asked for. With W_a and W_b side by side as one matrix W, the gradient of the long vector is W'
// dy; its first part is W_a' dy, which is da, and the rest db.
inline Definition concat_op() {
  return {.name = "concat",
          .inputs = {"a", "b"},
          .value = side_by_side,
          .gradients =
              [](const Arrays& in, const Array& dy, const Terms& term) {
                Arrays d;
                i64 first = 0;
                for (const Array& part : in) {
                  Array dpart(part.shape());
                  for (i64 r = 0; r < part.dim(0); ++r)
                    for (i64 c = 0; c < part.dim(1); ++c) {
                      // blank: dpart(r, c)
                      dpart(r, c) = term("dy", dy(r, first + c));
                      // end of blank
                    }
                  first += part.dim(1);
                  d.push_back(dpart);
                }
                return d;
              },
          .kernel = [](const std::vector<Tensor>& in) { return md::concat(in); }};
}

// A channel of x inside the slice occurs once in y. One outside occurs nowhere: its sum of terms is empty, which is 0.
// The array begins with zeros, and only the slice is written.
inline Definition slice_op() {
  constexpr i64 begin = 1, end = 2;
  return {.name = "slice_channels",
          .inputs = {"x"},
          .value = [](const Arrays& in) { return channels_of(in[0], begin, end); },
          .gradients =
              [](const Arrays& in, const Array& dy, const Terms& term) {
                Array dx(in[0].shape());
                for (i64 r = 0; r < dy.dim(0); ++r)
                  for (i64 c = 0; c < dy.dim(1); ++c) {
                    // blank: where dy(r, c) goes
                    dx(r, begin + c) += term("dy", dy(r, c));
                    // end of blank
                  }
                return Arrays{dx};
              },
          .kernel = [](const std::vector<Tensor>& in) { return slice_channels(in[0], begin, end); }};
}

// 5. Check
//
// The kernels copy, so they agree with the definition to the last bit: tolerance 0.
inline std::vector<Check> checks() {
  return {{concat_op(), {random_array({6, 3}, 1), random_array({6, 4}, 2)}, 0},
          {slice_op(), {random_array({6, 5}, 3)}, 0}};
}

// 6. Adjoint
//
// Both are matrices of zeros and ones. Each row of concat's has a single 1, and so has each column: it is a
// permutation, and its transposed matrix puts everything back. The slice has rows with a single 1 and columns without
// any; transposed, these are rows of zeros.
inline std::vector<Linear> linear() { return {{"concat", {"a", "b"}}, {"slice_channels", {"x"}}}; }

// 7. Lost terms
//
// There is one term, the move itself.
inline std::vector<TermList> terms() { return {{"concat", {"dy"}}, {"slice_channels", {"dy"}}}; }

// 8. Trap and exercise
//
// The trap is one map in two parts, concat({x, x}): x occurs twice in y and gets the sum of two slices of dy. An op
// that writes its gradients straight into the memory of its inputs would keep the last slice alone. Here ops return
// gradients, and only the tape adds them up (lesson 1). With dy = (1, 10) for two copies of one number, dx is 11.
inline std::string a_part_used_twice_keeps_one_slice() {
  const Tensor x = Tensor::full({1, 1}, 5.F).requires_grad_();
  md::concat({x, x}).backward(Array({1, 2}, {1, 10}).tensor());
  const float dx = x.grad().item();
  return dx == 11.F ? "" : cat("dx = ", dx);
}

// Exercise. Padding, cropping, rearranging: each is a rule "y_i is x at the place from(i), or 0 where there is none".
// Write the gradient for all of them in one line. What if from(i) = from(j) for two different i and j? (Lesson 6.)

inline Lesson lesson() {
  return {5,
          "Concat and slice",
          by_hand(),
          checks(),
          linear(),
          terms(),
          {{"one part twice", a_part_used_twice_keeps_one_slice}}};
}

}  // namespace md::lessons::concat
