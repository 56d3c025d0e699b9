// Direct convolution kernels for the shapes where oneDNN falls back to generic code: weight gradients of 5x5 depthwise
// convolutions (5-20x) and convolutions to a single channel (4-6x).
#pragma once
#include "engine/backend.h"
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// dw [kh,kw,C] of a depthwise convolution; or of one with a single output channel (dz [N,OH,OW,1], dw [1,kh,kw,C]),
/// which is the same sum with dz broadcast along the channels. Maps are f32 or bf16.
void direct_weight_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw);

/// y [N,OH,OW,1], f32, for w [1,kh,kw,C], as of Backend::conv2d.
void direct_one_channel(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);

}  // namespace md::MD_KERNELS
