// Which convolutions and matrix products a network performs, from the network itself: a backend that computes nothing
// and writes down what it is asked for. It takes the CPU backend's place in every program that links
// recording_backend.cpp.
#pragma once
#include <set>

#include "engine/cuda/conv_plan.h"
#include "nets/depth_net.h"

namespace md::test {

/// c [M,N] = a [M,K] b [K,N] (+ bias), f32.
struct Product {
  bool transpose_a, transpose_b, bias;  // how the factors are stored
  i64 m, n, k;
  auto operator<=>(const Product&) const = default;
};

/// Every different convolution, product and gradient of one training step, without those that nobody asks for (the
/// gradient of the image).
struct StepWork {
  std::set<cuda::ConvProblem> convolutions;
  std::set<Product> products;
};
StepWork work_of_step(const std::string& net, i64 batch, i64 height, i64 width);

}  // namespace md::test
