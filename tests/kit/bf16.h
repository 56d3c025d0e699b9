// Devices in bf16: the CPU, on any processor, and the GPU where there is one.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "engine/cpu/isa_dnnl.h"
#include "engine/tensor.h"
#include "tests/kit/testing.h"

namespace md::test {

constexpr Device kBf16Cpu{Device::cpu, 0, Precision::bf16}, kBf16Gpu{Device::cuda, 0, Precision::bf16};

/// As long as it lives, a CPU's products of bf16 are emulated, of one that makes `rate` times as many as of f32.
struct EmulatedBf16 {
  explicit EmulatedBf16(double rate = 1) { emulate_bf16_products(rate); }
  ~EmulatedBf16() { emulate_bf16_products(0); }
};

/// As of a processor that is as fast with products of bf16 as with f32, and of one that is not
/// (engine/cpu/widened_product.h).
constexpr std::initializer_list<double> kEitherRate = {1., 0.5};

/// Runs `body` on the CPU with products of bf16 emulated at each of the rates, and with the processor's own where it
/// has them.
inline void for_each_bf16_cpu(std::initializer_list<double> rates, const std::function<void()>& body) {
  if (can_multiply_bf16()) body();
  for (const double rate : rates) {
    const EmulatedBf16 emulated(rate);
    body();
  }
}
inline void for_each_bf16_cpu(const std::function<void()>& body) { for_each_bf16_cpu({1.}, body); }

/// And on the GPU, where there is one.
inline void for_each_bf16(std::initializer_list<double> rates, const std::function<void(Device)>& body) {
  for_each_bf16_cpu(rates, [&] { body(kBf16Cpu); });
  if (!why_no_gpu().empty()) return;
  SCOPED_TRACE("on the GPU");
  body(kBf16Gpu);
}
inline void for_each_bf16(const std::function<void(Device)>& body) { for_each_bf16({1.}, body); }

}  // namespace md::test
