// What convolutions need beside cuDNN. f32.
#pragma once
#include "engine/backend.h"

namespace md::cuda {

/// to[c,r] = from[r,c]: depthwise weights between ours, [kh,kw,C], and cuDNN's, [C,kh,kw].
void transpose(const float* from, i64 rows, i64 columns, float* to);

/// y = act(z + bias (+ y, where it accumulates)); y and z [...,C], which may be one; bias [C] or empty.
void add_bias_and_activate(const Tensor& z, const Tensor& bias, bool accumulate, const Activation& act,
                           const Tensor& y);

}  // namespace md::cuda
