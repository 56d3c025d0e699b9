// What convolutions need beside cuDNN. f32.
#pragma once
#include "engine/backend.h"

namespace md::cuda {

/// to[c,r] = from[r,c]: depthwise weights between ours, [kh,kw,C], and cuDNN's, [C,kh,kw].
void transpose(const float* from, i64 rows, i64 columns, float* to);

/// y = act(y + bias) in place; y [...,C], bias [C] or empty; act none or leaky_relu.
void add_bias_and_activate(const Tensor& y, const Tensor& bias, const Activation& act);

}  // namespace md::cuda
