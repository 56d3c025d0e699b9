// Weights as NVIDIA's libraries want them: as bf16 beside bf16 maps, and depthwise ones in cuDNN's order.
#pragma once
#include "engine/tensor.h"

namespace md::cuda {

/// Where the numbers of an f32 weight stand as this dtype, and those of a depthwise one, [kh,kw,C], as [C,kh,kw]: in
/// its own memory where that is so, else in a copy that is made again when the weight has changed. Weights change
/// together, so one launch makes all copies that are stale.
void* library_copy(const Tensor& weight, DType);

/// A weight's gradient from what a library has written: of either dtype, a depthwise one as [C,kh,kw]. The same number
/// of elements.
void take_gradient(const Tensor& from, const Tensor& gradient);

}  // namespace md::cuda
