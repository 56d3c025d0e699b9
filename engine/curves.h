// The activations that several kernels compute: the op itself (layers/activation.cpp) and batch norm fused with it.
// Value and slope at x, with PyTorch's slope at a kink; comparisons let NaN through. constexpr, so that code for a GPU
// may call them as they are (nvcc --expt-relaxed-constexpr).
#pragma once

namespace md {

/// max(0, x); 0 for -0, NaN for NaN.
struct Relu {
  static constexpr float value(float x) { return x <= 0.F ? 0.F : x; }
  static constexpr float slope(float x) { return x <= 0.F ? 0.F : 1.F; }  // or at y = value(x), which has x's sign
};

/// x relu6(x + 3) / 6: y = x (x + 3) / 6 between the kinks, so y' = x/3 + 1/2; from 0 to -1/2 at x = -3 and from 3/2 to
/// 1 at x = 3.
struct Hardswish {
  static constexpr float value(float x) { return x <= -3.F ? 0.F : x >= 3.F ? x : x * (x + 3.F) * (1.F / 6.F); }
  static constexpr float slope(float x) { return x <= -3.F ? 0.F : x >= 3.F ? 1.F : x * (1.F / 3.F) + 0.5F; }
};

}  // namespace md
