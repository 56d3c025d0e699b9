// Lesson 4: Linear
// After lesson 3, reduce and spread. Ops: linear.
//
// 1. Idea
//
// A linear layer makes every output from all inputs: y_o is the sum of the inputs, each times a weight of its own, plus
// a bias. The weights are a matrix, one row for each output.
//
// Going back, the same matrix is read the other way. Forwards, output o collects along row o. Backwards, input i
// collects along column i, because column i says to which outputs it went and how strongly. So the gradient of the
// input is the transposed matrix times the gradient of the output. That is the pattern of every layer with weights.
#pragma once
#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::linear {
using namespace test;

Definition linear_op();  // part 4

// 2. By hand
//
// Two rows of two inputs, three outputs. The weights are (1,2), (0,-1), (3,1), the biases 0, 1, 0. The first row is
// x = (1, 2):
//
//     y[0] = 1 * 1 + 2 * 2 + 0 = 5
//     y[1] = 0 * 1 + -1 * 2 + 1 = -1
//     y[2] = 3 * 1 + 1 * 2 + 0 = 5
//
// and the second, x = (3, 0), gives (3, 1, 9). Now dy is (1, 0, 2) for the first row and (0, 1, -1) for the second. The
// first input went into all three outputs with the weights of the first column, 1, 0, 3; the second with 2, -1, 1:
//
//     dx[0,0] = 1 * 1 + 0 * 0 + 2 * 3 = 7
//     dx[0,1] = 1 * 2 + 0 * -1 + 2 * 1 = 4
//
// A weight is used in both rows, once with each x, so its gradient is a sum over the rows:
//
//     dw[0,0] = dy[0,0] * x[0,0] + dy[1,0] * x[1,0] = 1 * 1 + 0 * 3 = 1
//     dw[2,0] = dy[0,2] * x[0,0] + dy[1,2] * x[1,0] = 2 * 1 + -1 * 3 = -1
//
// and a bias gets the sum of its column of dy: 1 + 0, 0 + 1, 2 - 1.
inline std::vector<ByHand> by_hand() {
  return {{
      .op = linear_op(),
      .inputs = {{"x", {2, 2}, {1, 2, 3, 0}}, {"w", {3, 2}, {1, 2, 0, -1, 3, 1}}, {"bias", {3}, {0, 1, 0}}},
      // blank numbers: both rows of y
      .y = {"y", {2, 3}, {5, -1, 5, 3, 1, 9}},
      // end of blank
      .dy = {"dy", {2, 3}, {1, 0, 2, 0, 1, -1}},
      // blank numbers: dx along the columns of w, dw and dbias as sums over the rows
      .gradients = {{"dx", {2, 2}, {7, 4, -3, -2}}, {"dw", {3, 2}, {1, 2, 3, 0, -1, 4}}, {"dbias", {3}, {1, 1, 1}}}
      // end of blank
  }};
}

// 3. Definition
//
// x has R rows of I inputs. What the rows are does not matter: images, pixels, tokens. The weights are the same for
// all.
//
//     y[r,o] = bias[o] + sum over i of x[r,i] * w[o,i]
//
// As matrices this is Y = X W' + b, with the transposed W because a row of W belongs to an output.

/// x [...,I] as rows [R,I].
inline Array rows_of(const Array& x) { return {{x.numel() / x.shape()[-1], x.shape()[-1]}, x.values()}; }

/// x [R,I], w [O,I], bias [O] -> y [R,O].
inline Array map_rows(const Array& x, const Array& w, const Array& bias) {
  Array y({x.dim(0), w.dim(0)});
  for (i64 r = 0; r < x.dim(0); ++r)
    for (i64 o = 0; o < w.dim(0); ++o) {
      y(r, o) = bias(o);
      for (i64 i = 0; i < w.dim(1); ++i) {
        // blank: what input i adds to y
        y(r, o) += x(r, i) * w(o, i);
        // end of blank
      }
    }
  return y;
}

// 4. Derivation
//
// The layer is a list of products, each with three indices: y(r,o) += x(r,i) * w(o,i). By lesson 1 a product gives dy *
// w to its x and dy * x to its w, and what occurs in several products gets the sum of all shares. An x(r,i) occurs once
// for every output o. A w(o,i) occurs once for every row r. A bias occurs once for every row, with the slope 1.
//
//     dL/dx[r,i] = sum over o of dy[r,o] * w[o,i]
//     dL/dw[o,i] = sum over r of dy[r,o] * x[r,i]
//     dL/dbias[o] = sum over r of dy[r,o]
//
// As matrices: dX = dY W and dW = dY' X. Nobody has to remember which factor is transposed and where: dX must be R x I,
// and from dY (R x O) and W (O x I) there is one product of that shape. A weight's gradient is always a sum over the
// batch; to store it takes as much memory as the weight, whatever the batch.
inline Arrays map_rows_gradients(const Array& x, const Array& w, const Array& dy, const Terms& term) {
  Array dx(x.shape()), dw(w.shape()), dbias({w.dim(0)});
  for (i64 r = 0; r < x.dim(0); ++r)
    for (i64 o = 0; o < w.dim(0); ++o) {
      for (i64 i = 0; i < w.dim(1); ++i) {
        // blank: what the product x(r,i) * w(o,i) gives to dx and dw
        dx(r, i) += term("dy * w", dy(r, o) * w(o, i));
        dw(o, i) += term("dy * x", dy(r, o) * x(r, i));
        // end of blank
      }
      // blank: what the bias gets here
      dbias(o) += term("dy", dy(r, o));
      // end of blank
    }
  return {dx, dw, dbias};
}

inline Definition linear_op() {
  return {.name = "linear",
          .inputs = {"x", "w", "bias"},
          .value = [](const Arrays& in) { return map_rows(in[0], in[1], in[2]); },
          .gradients = [](const Arrays& in, const Array& dy,
                          const Terms& term) { return map_rows_gradients(in[0], in[1], dy, term); },
          .kernel = [](const std::vector<Tensor>& in) { return md::linear(in[0], in[1], in[2]); }};
}

// 5. Check
//
// Rows, inputs and outputs differ in number. With a square matrix the transposed one would fit as well, and only its
// numbers would be wrong.
inline std::vector<Check> checks() {
  constexpr double kTolerance = 1e-6;  // sums of at most 11 products in float: a few roundings of 6e-8
  return {{linear_op(), {random_array({11, 7}, 1), random_array({5, 7}, 2), random_array({5}, 3)}, kTolerance}};
}

// 6. Adjoint
//
// The layer is linear in x with A = W, in w with the same X for every output, and in the bias. The test needs no
// formula of part 4: it compares the run with the walk back.
//
//     dot(dy, A v) = sum over (o,i) of dy[o] * w[o,i] * v[i] = dot(A' dy, v)
//
// The sum in the middle can be added up by rows first or by columns first. That is the whole proof.
inline std::vector<Linear> linear() { return {{"linear", {"x", "w", "bias"}}}; }

// 7. Lost terms
//
// Each of the three gradients is one term. What can be lost is the sum over the rows: dw of the last row alone has the
// right shape and plausible numbers, and the check sees it because x has eleven rows.
inline std::vector<TermList> terms() { return {{"linear", {"dy * w", "dy * x", "dy"}}}; }

// 8. Trap and exercise
//
// The trap is a square layer. Where I = O, a weight that was stored the other way round (as other frameworks do) fits
// without a complaint, and the network is another one. The test sends (1, 10) through the matrix with rows (0, 1) and
// (0, 0): the right result is (10, 0), the transposed matrix gives (0, 1).
inline std::string a_square_weight_is_transposed() {
  const Array x({1, 2}, {1, 10}), w({2, 2}, {0, 1, 0, 0});
  const Array y(md::linear(x.tensor(), w.tensor(), {}));
  return y(0, 0) == 10 && y(0, 1) == 0 ? "" : cat("(", y(0, 0), ", ", y(0, 1), ")");
}

// Exercise. The input of a linear layer is two vectors a and b written one behind the other. Cut the weight in two
// parts to match: y = W_a a + W_b b. What are da and db? And what does that say about the gradient of "write one behind
// the other"? (Lesson 5.)

inline Lesson lesson() {
  return {4, "Linear", by_hand(), checks(), linear(), terms(), {{"a square weight", a_square_weight_is_transposed}}};
}

}  // namespace md::lessons::linear
