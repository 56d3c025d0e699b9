// Attention inside windows, one op from partition to reverse (Liu et al. 2021, Swin Transformer, sections 3.2 and 3.3).
// The map [N,H,W,C] is padded at the bottom and right to whole windows of 7x7 and, if shifted, rolled up and left by 3;
// each window is then on its own, for each head with its d = C/heads channels:
//   S[i,j] = q_i . k_j / sqrt(d) + bias_table[distance of i and j] + mask,   Y = softmax over j of S, times V
// mask: -100 (not infinity) between tokens that only the roll made neighbours; none without a shift, so that there the
// tokens of the padding are seen by all. The result is rolled back and the padding cut off. The gradients stand with
// the kernel (engine/cpu/window_attention.cpp); tests/lessons/11_attention.h has everything as loops.
#include "engine/autograd.h"
#include "engine/backend.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

void check(const Tensor& qkv, const Tensor& v, const Tensor& padding, const Tensor& table, const WindowSpec& s) {
  require_image("window_attention", qkv);
  const i64 parts = v ? 2 : 3, width = qkv.dim(3), C = width / parts;
  MD_CHECK(width % parts == 0 && s.heads > 0 && C % s.heads == 0, "window_attention: input ", qkv.shape(),
           " does not divide into ", parts, " parts of ", s.heads, " heads");
  MD_CHECK((!v || v.shape() == Shape{qkv.dim(0), qkv.dim(1), qkv.dim(2), C}), "window_attention: values ",
           v ? v.shape() : Shape{}, " for queries and keys ", qkv.shape());
  MD_CHECK(padding.shape() == Shape{width}, "window_attention: padding ", padding.shape(), " for input ", qkv.shape());
  require_together("window_attention", {qkv, v}, {padding, table});
  constexpr i64 kDistances = (2 * kWindow - 1) * (2 * kWindow - 1);
  MD_CHECK((table.shape() == Shape{kDistances, s.heads}), "window_attention: bias table ", table.shape(), ", not ",
           Shape{kDistances, s.heads});
  MD_CHECK(s.shift >= 0 && s.shift < kWindow, "window_attention: shift ", s.shift, " of windows of ", kWindow);
}

Tensor empty_like(const Tensor& t) { return t ? Tensor::empty(t.shape(), t.device(), t.dtype()) : Tensor(); }

}  // namespace

Tensor window_attention(const Tensor& qkv, const Tensor& v, const Tensor& padding, const Tensor& bias_table,
                        const WindowSpec& spec) {
  check(qkv, v, padding, bias_table, spec);
  const i64 C = qkv.dim(3) / (v ? 2 : 3);
  const Tensor y = Tensor::empty({qkv.dim(0), qkv.dim(1), qkv.dim(2), C}, qkv.device(), qkv.dtype());
  backend(qkv.device()).window_attention(spec, {qkv, v, padding, bias_table}, y);
  return record(
      {"window_attention", spec}, y, {qkv, v, padding, bias_table},
      [spec, qkv = Saved(qkv), v = Saved(v), padding = Saved(padding), bias_table = Saved(bias_table)](const Tensor& dy,
                                                                                                       Needs) -> Grads {
        const WindowTensors in{*qkv, *v, *padding, *bias_table};
        const WindowTensors g{empty_like(in.qkv), empty_like(in.v), empty_like(in.padding), empty_like(in.bias_table)};
        backend(dy.device()).window_attention_backward(spec, in, dy, g);
        return {g.qkv, g.v, g.padding, g.bias_table};
      });
}

}  // namespace md
