// Activations that an op takes along with its own arithmetic: y = act(z), and only y is kept.
#pragma once
#include "engine/backend.h"

namespace md {

/// Whether the slope at z can be told from y, and a NaN survives any library's kernel: leaky_relu, elu, sigmoid, none.
/// A library's relu may make 0 of NaN, and a training step with NaN must be noticed.
bool fuses_for_training(const Activation&);

/// dz = dy * act'(z), from y = act(z). REQUIRES: fuses_for_training.
Tensor before_activation(const Activation&, const Tensor& y, const Tensor& dy);

}  // namespace md
