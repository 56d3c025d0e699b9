// One convolution as an execution plan of cuDNN: its operation graph and the first engine of the heuristics' lists that
// is deterministic, exact enough and content with the workspace. Wants the properties of a GPU, not a GPU: the tests
// finalise the plans of whole networks for GPUs that they do not have.
#pragma once
#include <array>
#include <string>

#include "engine/backend.h"
#include "engine/cuda/cudnn_descriptor.h"

namespace md::cuda {

/// A convolution itself, and its two gradients.
enum class ConvPass : std::uint8_t { forward, data_gradient, weight_gradient };

/// Everything that decides a plan; the key of a cache.
struct ConvProblem {
  ConvPass pass;
  Conv2dSpec spec;             // no activation in gradients, which are before it, nor where the caller accumulates
  DType dtype;                 // of all tensors: f32 or bf16; sums are f32
  std::array<i64, 4> x, w, y;  // [N,H,W,I], [O,kh,kw,I/groups] (a depthwise weight too), [N,OH,OW,O]
  bool bias = false;           // forward only
  bool tf32 = false;           // tensor cores may round f32 factors to 10 bits of mantissa
  i64 alignment = 16;          // bytes, of every tensor

  auto operator<=>(const ConvProblem&) const = default;
  std::string str() const;  // "forward f32 [8,60,80,40] * [120,1,1,40] stride 1 pad 0 groups 1 + bias, leaky_relu"
};

/// `x` and `y` are the input and the output or their gradients. REQUIRES: shapes fit (layers/conv2d.cpp has checked).
ConvProblem describe_conv(ConvPass, const Conv2dSpec&, const Shape& x, const Shape& w, const Shape& y, DType);

/// The tensors of a plan: dx, dw and dz take the ids of x, w and y.
namespace tensor_id {
inline constexpr i64 x = 1, w = 2, y = 3, bias = 4, slope = 5;  // slope: a float of the host
}

struct ConvPlan {
  Descriptor plan;
  std::size_t workspace_bytes;
  bool adds_bias, activates;  // by the plan; what it does not do is left to the caller
  i64 engine;                 // cuDNN's number of it
};

/// Throws ErrorKind::no_device where no engine is left.
ConvPlan plan_conv(const ConvProblem&, const Descriptor& device);

/// Properties of the GPU with this index, for plan_conv.
Descriptor device_properties(int index);

}  // namespace md::cuda
