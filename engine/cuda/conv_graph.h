// A convolution, and what is fused to it, as an operation graph of cuDNN's.
#pragma once
#include <optional>

#include "engine/cuda/conv_problem.h"
#include "engine/cuda/cudnn_descriptor.h"

namespace md::cuda {

/// The tensors of a plan: dx, dw and dz take the ids of x, w and y.
namespace tensor_id {
inline constexpr i64 x = 1, w = 2, y = 3, bias = 4, slope = 5;  // slope: a float of the host
}

/// How much of bias and activation the graph takes along. Engines that take leaky_relu are compiled at run time, which
/// wants a driver and libnvrtc.
struct Fusion {
  bool bias = false, act = false;
  bool operator==(const Fusion&) const = default;
};

/// From the most that one graph can do for the problem to the convolution alone; none twice.
std::vector<Fusion> fusions(const ConvProblem&);

/// y = conv(x, w), then + bias, then leaky_relu, with what stands between them never in memory. Empty where cuDNN does
/// not know such a graph.
std::optional<Descriptor> conv_graph(const ConvProblem&, Fusion);

}  // namespace md::cuda
