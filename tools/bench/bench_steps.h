// Training steps of whole networks with the optimisers of their recipes, on a batch that is given.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "nets/depth_net.h"

namespace md {

/// A training step of a network, and of it what the optimiser does.
struct BenchStep {
  std::function<void(const Tensor& image, const Tensor& target_m)> run;  // [N,H,W,3] and [N,H,W] on its device
  std::function<void()> update;                                          // with the gradients of the last run
  double update_bytes;  // reads parameter, gradient and two moments of each number, and writes all but the gradient
};

/// A network of nets/registry.h with fresh weights.
std::shared_ptr<DepthNet> bench_net(Device, const std::string& name);

/// AdamW with a decay of 1e-2.
BenchStep lt_step(Device);
/// With the freezing, the decay and the eps of the official recipe.
BenchStep bts_step(Device);
/// NeWCRFs tiny07 with the plain Adam of the official recipe.
BenchStep newcrfs_step(Device);

}  // namespace md
