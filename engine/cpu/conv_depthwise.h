// Depthwise convolutions of bf16 maps. oneDNN's kernels for channels-last bf16 are generic code.
#pragma once
#include "engine/backend.h"
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// As of Backend::conv2d and its gradient, for maps of bf16 and w [kh,kw,C], of at most kMostTaps taps.
void depthwise(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);
void depthwise_data_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx);
constexpr i64 kMostTaps = 64;

}  // namespace md::MD_KERNELS
