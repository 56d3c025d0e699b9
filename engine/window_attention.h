// The operands of window attention (Liu et al. 2021, Swin): what both backends' kernels and the op are given.
// layers/window_attention.cpp has the formula, engine/windows.h where the windows lie.
#pragma once
#include "engine/tensor.h"

namespace md {

/// Attention goes on inside windows of kWindow x kWindow tokens.
constexpr i64 kWindow = 7;

/// How the channels and the windows of one attention lie.
struct WindowSpec {
  int heads = 1;  // parts of the channels, each with an attention of its own
  int shift = 0;  // tokens by which the windows lie further down and right: 0 or kWindow / 2
};

/// The tensors of window attention: maps, both f32 or both bf16, and f32 parameters. C channels divide evenly among the
/// heads.
struct WindowTensors {
  Tensor qkv;         // [N,H,W,3C]: query, key and value of each token; or, if `v` is given, query and key [N,H,W,2C]
  Tensor v;           // [N,H,W,C], or empty
  Tensor padding;     // [3C] or [2C]: qkv of the tokens beyond the edge, where the sides are no multiples of kWindow
  Tensor bias_table;  // [(2 kWindow - 1)^2, heads]: added to the score of two tokens at that distance
};

}  // namespace md
