// What convolutions need beside cuDNN.
#pragma once
#include "engine/backend.h"

namespace md::cuda {

/// The same numbers in another type; maps.
void convert(const Tensor& from, const Tensor& to);

/// y = act(z + bias (+ y, where it accumulates)); maps y and z [...,C], which may be one; bias [C], f32, or empty.
void add_bias_and_activate(const Tensor& z, const Tensor& bias, bool accumulate, const Activation& act,
                           const Tensor& y);

}  // namespace md::cuda
