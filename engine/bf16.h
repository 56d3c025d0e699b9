// bf16, the upper half of an f32: its sign, its 8 bits of exponent and 7 of its 23 bits of fraction. A number that is
// stored, not computed with: read, it is an f32, and written, it is rounded, so that a kernel templated on its storage
// type is the f32 kernel with half the traffic. constexpr, so that code for a GPU may use it (nvcc
// --expt-relaxed-constexpr).
#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>

#include "engine/tensor.h"

namespace md {

/// The bits of the nearest bf16, of two as near the one whose last bit is 0. NaN stays NaN, and what is too large
/// becomes infinity.
constexpr std::uint16_t bits_of_bf16(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if (!std::is_constant_evaluated()) {  // one instruction
    std::uint16_t nearest = 0;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(nearest) : "f"(x));
    return nearest;
  }
#endif
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nan = bits >> 16U | 0x40U, nearest = (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
  return static_cast<std::uint16_t>(x != x ? nan : nearest);
}

/// Storage of a number. Uninitialised unless it is given one.
struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  constexpr bf16(float x) : bits(bits_of_bf16(x)) {}
  constexpr operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U); }  // exact
};

/// Calls f(T()) for the type T, float or bf16, that stores the elements of maps of this dtype: the one way from a dtype
/// to the kernels that are templated on it.
template <class F>
void with_storage(DType dtype, const F& f) {
  if (dtype == DType::bf16) return f(bf16());
  MD_CHECK(dtype == DType::f32, "maps are f32 or bf16, not ", name_of(dtype));
  f(float());
}

}  // namespace md
