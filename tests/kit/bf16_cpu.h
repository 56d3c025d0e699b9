// The CPU in bf16, on any processor.
#pragma once
#include <functional>

#include "engine/cpu/isa_dnnl.h"
#include "engine/tensor.h"

namespace md::test {

constexpr Device kBf16Cpu{Device::cpu, 0, Precision::bf16};

/// As long as it lives, products of bf16 are emulated, of a processor that makes `rate` times as many as of f32.
struct EmulatedBf16 {
  explicit EmulatedBf16(double rate = 1) { emulate_bf16_products(rate); }
  ~EmulatedBf16() { emulate_bf16_products(0); }
};

/// As of a processor that is as fast with products of bf16 as with f32, and of one that is not
/// (engine/cpu/widened_product.h).
constexpr std::initializer_list<double> kEitherRate = {1., 0.5};

/// Runs `body` with products of bf16 emulated at each of the rates, and with the processor's own where it has them.
inline void for_each_bf16(std::initializer_list<double> rates, const std::function<void()>& body) {
  if (can_multiply_bf16()) body();
  for (const double rate : rates) {
    const EmulatedBf16 emulated(rate);
    body();
  }
}
inline void for_each_bf16(const std::function<void()>& body) { for_each_bf16({1.}, body); }

}  // namespace md::test
