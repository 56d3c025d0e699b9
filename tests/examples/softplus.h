// Example of a new op: the declaration that would stand in layers/ops.h.
#pragma once
#include "engine/tensor.h"

namespace md::examples {

/// ln(1 + e^x), a ReLU without its kink. Any shape. PyTorch: softplus.
Tensor softplus(const Tensor& x);

}  // namespace md::examples
