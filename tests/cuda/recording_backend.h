// Which convolutions a network performs, from the network itself: a backend that computes nothing and writes down what
// it is asked for. It takes the CPU backend's place in every program that links recording_backend.cpp.
#pragma once
#include <set>

#include "engine/cuda/conv_plan.h"
#include "nets/depth_net.h"

namespace md::test {

/// Every different convolution and gradient of one training step, without those that nobody asks for (the gradient of
/// the image).
std::set<cuda::ConvProblem> convolutions_of(const std::string& net, i64 batch, i64 height, i64 width);

}  // namespace md::test
