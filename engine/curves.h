// The activations that several kernels compute: the op itself (layers/activation.cpp), and batch norms and convolutions
// that take it along. Value at x, and slope at x or at y = value(x), as it says, with PyTorch's slope at a kink;
// comparisons let NaN through. constexpr, so that code for a GPU may call them as they are (nvcc
// --expt-relaxed-constexpr).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

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

/// x above 0, negative * x below; negative >= 0, so that y has x's sign.
struct LeakyRelu {
  float negative;
  constexpr float value(float x) const { return x > 0.F ? x : x * negative; }
  constexpr float slope(float y) const { return y > 0.F ? 1.F : negative; }  // at y
};

/// relu6(x + 3) / 6.
struct Hardsigmoid {
  static constexpr float value(float x) { return x <= -3.F ? 0.F : x >= 3.F ? 1.F : (x + 3.F) / 6.F; }
  // At x: the rounding of (x + 3) / 6 could hide on which side of a kink it was.
  static constexpr float slope(float x) { return x > -3.F && x < 3.F ? 1.F / 6.F : 0.F; }
};

/// e^x = power * (1 + r * rest), with power = 2^n, x = n ln(2) + r and |r| <= ln(2)/2. Plain arithmetic: a call of expf
/// or expm1f would keep a loop from vectorising.
struct Exponential {
  float power, r, rest;
  constexpr float value() const { return (rest * r + 1.F) * power; }
  /// e^x - 1, to 2 roundings: near 0, where power is 1, it loses no digits.
  constexpr float minus_one() const { return power * (rest * r) + (power - 1.F); }
};
/// Of x <= 0; at most e^-87 too much.
constexpr Exponential exponential_of_negative(float x) {
  constexpr float kRound = 12582912.F;  // 1.5 * 2^23: adding it leaves no bits behind the point
  const float bounded = x < -87.F ? -87.F : x;
  const float n = (bounded * 1.44269504F + kRound) - kRound;
  const float r = (bounded - n * 0.693359375F) + n * 2.12194440e-4F;  // ln(2) in two parts, so that n ln(2) is exact
  float p = 1.F / 5040;                                               // Taylor: |r|^8 / 8! < 6e-9
  p = p * r + 1.F / 720;
  p = p * r + 1.F / 120;
  p = p * r + 1.F / 24;
  p = p * r + 1.F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.F;
  return {std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23), r, p};
}

/// x above 0, e^x - 1 below.
struct Elu {
  static constexpr float value(float x) { return x > 0.F ? x : exponential_of_negative(x > 0.F ? 0.F : x).minus_one(); }
  static constexpr float slope(float y) { return y > 0.F ? 1.F : y + 1.F; }  // at y: below 0 it is e^x = y + 1
};

/// 1 / (1 + e^-x).
struct Sigmoid {
  // expf overflows to inf: the limit 0 is right.
  static constexpr float value(float x) { return 1.F / (1.F + expf(-x)); }
  static constexpr float slope(float y) { return (1.F - y) * y; }  // at y
};

/// No activation.
struct Identity {
  static constexpr float value(float x) { return x; }
};

}  // namespace md
