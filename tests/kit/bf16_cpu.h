// The CPU in bf16, on any processor.
#pragma once
#include <functional>

#include "engine/cpu/isa_dnnl.h"
#include "engine/tensor.h"

namespace md::test {

constexpr Device kBf16Cpu{Device::cpu, 0, Precision::bf16};

/// As long as it lives, products of bf16 are emulated.
struct EmulatedBf16 {
  EmulatedBf16() { emulate_bf16_products(true); }
  ~EmulatedBf16() { emulate_bf16_products(false); }
};

/// Runs `body` with emulated products of bf16, and with the processor's own where it has them.
inline void for_each_bf16(const std::function<void()>& body) {
  if (can_multiply_bf16()) body();
  const EmulatedBf16 emulated;
  body();
}

}  // namespace md::test
