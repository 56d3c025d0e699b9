// The ops that mdbench times one by one, at the shapes that they have in the networks.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// An op of one size, as a training step has it.
struct Op {
  std::string network, name;  // whose training step has it; "none": a large matrix product, to compare with
  std::vector<Shape> inputs;  // f32
                              /// From inputs to the result.
  std::function<Tensor(const std::vector<Tensor>&)> forward;
  double flops = 0;       // of the forward pass, and of each of the two gradients; 0: bound by memory
  bool of_image = false;  // the first input is, and has no gradient
};

/// LT's step of 4x416x544, BTS's of 2x416x544 (ResNet-50), NeWCRFs' of 1x480x640 (Swin tiny).
std::vector<Op> op_shapes();

}  // namespace md
