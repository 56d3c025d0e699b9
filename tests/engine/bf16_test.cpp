// bf16: how a number is rounded, that vectors round as one number does, and that a tensor of it is half as large.
#include "engine/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/backend.h"
#include "engine/rng.h"
#include "tests/kit/bf16.h"
#include "tests/kit/caught.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

float bits(std::uint32_t b) { return std::bit_cast<float>(b); }

TEST(Bf16, KeepsEveryNumberThatItHas) {
  for (std::uint32_t b = 0; b <= 0xFFFF; ++b) {
    const float x = bits(b << 16U);
    if (std::isnan(x)) continue;
    EXPECT_EQ(bf16(x).bits, b);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(float(bf16(x))), b << 16U);
  }
}

TEST(Bf16, RoundsToTheNearestAndOfTwoToTheEven) {
  EXPECT_EQ(bf16(bits(0x3F800001)).bits, 0x3F80);  // just above 1
  EXPECT_EQ(bf16(bits(0x3F808000)).bits, 0x3F80);  // half way, and 0x3F80 is even
  EXPECT_EQ(bf16(bits(0x3F808001)).bits, 0x3F81);
  EXPECT_EQ(bf16(bits(0x3F818000)).bits, 0x3F82);  // half way, and 0x3F81 is odd
  EXPECT_EQ(bf16(bits(0xBF818000)).bits, 0xBF82);
  EXPECT_EQ(bf16(bits(0x00008001)).bits, 0x0001);  // a denormal
}

TEST(Bf16, KeepsNanAndInfinity) {
  EXPECT_TRUE(std::isnan(bf16(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(bf16(bits(0x7F800001))));  // whose upper half alone would be infinity
  EXPECT_EQ(float(bf16(std::numeric_limits<float>::infinity())), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float(bf16(std::numeric_limits<float>::max())), std::numeric_limits<float>::infinity());
}

/// The CPU's registers have conversions of their own; what a depthwise 1x1 convolution of ones gives is its weight.
TEST(Bf16, VectorsRoundAsOneNumberDoes) {
  const EmulatedBf16 on;
  constexpr i64 C = 4099;  // no multiple of a register
  const Tensor w = Tensor::empty({1, 1, C}, kBf16Cpu), dx = Tensor::empty({1, 1, 1, C}, kBf16Cpu, DType::bf16);
  Rng rng(1, Purpose::test);
  for (i64 c = 0; c < C; ++c) w.data()[c] = bits(rng.bits() & (c % 2 ? ~0U : 0xFFFF8000U));  // every other one half way
  w.data()[7] = bits(0x7F800001);
  backend(kBf16Cpu).conv2d_dx({.groups = int(C)}, Tensor::full({1, 1, 1, C}, 1.F, kBf16Cpu, DType::bf16), w, dx);
  for (i64 c = 0; c < C; ++c) {
    const bf16 want = w.data()[c] * 1.F;
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(dx.data<bf16>()[c]));
    } else {
      EXPECT_EQ(float(dx.data<bf16>()[c]), float(want)) << w.data()[c];
    }
  }
}

TEST(Bf16, TensorsAreHalfAsLarge) {
  const Tensor t = Tensor::full({3, 5}, 1.F / 3, {}, DType::bf16);
  EXPECT_EQ(t.bytes(), 30U);
  for (const Tensor& same : {t.clone(), t.reshape({5, 3}), t.rows(1, 2)}) {
    EXPECT_EQ(same.dtype(), DType::bf16);
    EXPECT_EQ(float(same.data<bf16>()[4]), float(bf16(1.F / 3)));
  }
  EXPECT_ERROR(t.data(), "tensor [3,5] holds bf16 wanted as f32");
}

TEST(Bf16, GradientsHaveTheDtypeOfTheirTensor) {
  const Tensor x = Tensor::full({2, 4}, 1.F, {}, DType::bf16).requires_grad_();
  x.rows(0, 1).backward();
  x.rows(0, 2).backward();
  EXPECT_EQ(x.grad().dtype(), DType::bf16);
  EXPECT_EQ(float(x.grad().data<bf16>()[0]), 2.F);
  EXPECT_EQ(float(x.grad().data<bf16>()[7]), 1.F);
  EXPECT_ERROR(x.set_grad(Tensor::zeros({2, 4})), "set_grad: [2,4] f32 for [2,4] bf16");
  EXPECT_ERROR(x.reshape({8}).backward(Tensor::zeros({8})), "gradient [8] f32 for an input of [8] bf16");
}

TEST(Bf16, DevicesOfBothPrecisionsShareMemoryAndDoNotMix) {
  const EmulatedBf16 on;
  const Tensor x = random_tensor({4}, 1), there = x.to(kBf16Cpu);
  EXPECT_NE(there.device(), x.device());
  EXPECT_EQ(there.dtype(), DType::f32);
  EXPECT_EQ(there.to_host(), x.to_host());
  EXPECT_EQ(&backend(kBf16Cpu), &backend({}));
}

TEST(Bf16, IsRefusedWhereTheProcessorHasNoInstructions) {
  if (can_multiply_bf16()) GTEST_SKIP() << "this processor has them";
  const Caught error = caught([] { backend(kBf16Cpu); });
  EXPECT_EQ(error.kind, ErrorKind::no_device);
  EXPECT_EQ(error.what, "device cpu: no bf16, as this processor has no instructions for it (AVX512-BF16)");
}

}  // namespace
}  // namespace md::test
