// Memory for time: a part of a network whose intermediate results are not kept but computed again when its backward
// comes (torch.utils.checkpoint). Gradients are the same bit for bit, for the same operations run in the same order.
#pragma once
#include <functional>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// The part of a network. Gradients reach its `inputs` and the parameters that it uses, and no other tensor. It runs
/// twice and must do the same both times: it draws from no generator that goes on, and updates no statistics.
using Segment = std::function<Tensor(const std::vector<Tensor>& inputs)>;

/// segment(inputs), of which only the inputs are kept. Empty tensors may stand among the inputs; at least one must
/// require a gradient, or nothing is recorded.
Tensor recompute(Segment segment, const std::vector<Tensor>& inputs);

}  // namespace md
