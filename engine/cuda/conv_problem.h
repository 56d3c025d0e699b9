// What a convolution of cuDNN's is asked for, before anything is planned.
#pragma once
#include <array>
#include <string>

#include "engine/backend.h"

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
  std::string key() const;  // the same with everything that str() leaves out: equal for equal problems alone
};

/// `x` and `y` are the input and the output or their gradients. REQUIRES: shapes fit (layers/conv2d.cpp has checked).
ConvProblem describe_conv(ConvPass, const Conv2dSpec&, const Shape& x, const Shape& w, const Shape& y, DType);

}  // namespace md::cuda
