// torch.nn.functional.linear over the last axis: x [...,I], w [O,I], bias [O] or none -> y [...,O], as matrices of rows
//   y = x w' + bias,    dx = dy w,    dw = dy' x,    dbias = the sum of dy's rows        (' = transposed)
#include "engine/autograd.h"
#include "engine/backend.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias) {
  MD_CHECK(w.shape().rank() == 2 && x.shape().rank() > 0 && x.numel() > 0 && x.dim(-1) == w.dim(1), "linear: input ",
           x.shape(), " does not fit weight ", w.shape());
  MD_CHECK(!bias || bias.shape() == Shape({w.dim(0)}), "linear: bias ", bias.shape(), " for weight ", w.shape());
  MD_CHECK(w.dim(0) > 0, "linear: weight ", w.shape(), " is empty");
  require_together("linear", {x}, {w, bias});
  const Tensor y = Tensor::empty(with_channels(x.shape(), w.dim(0)), x.device(), x.dtype());
  backend(x.device()).gemm({.transpose_b = true}, x, w, bias, y);
  return record("linear", y, {x, w, bias},
                [x = Saved(x), w = Saved(w)](const Tensor& dy, Needs needs) mutable -> Grads {
                  Backend& b = backend(dy.device());
                  const i64 outputs = dy.dim(-1), rows = dy.numel() / outputs;
                  Tensor dx, dw, dbias;
                  if (needs[2]) dbias = Tensor::empty({outputs}, dy.device());
                  if (needs[1]) {
                    dw = Tensor::empty(w.shape(), dy.device());
                    b.linear_dw(dy, *x, dw, dbias);
                  } else if (needs[2]) {
                    b.reduce_sum(dy, {}, 1, rows, outputs, dbias);
                  }
                  x.release();  // dx is as large, and comes last
                  if (needs[0]) dx = needs.take_sum(0);
                  if (dx) {
                    b.add_gemm({}, dy, *w, dx);
                  } else if (needs[0]) {
                    dx = Tensor::empty(x.shape(), dy.device(), dy.dtype());
                    b.gemm({}, dy, *w, {}, dx);
                  }
                  return {dx, dw, dbias};
                });
}

}  // namespace md
