// cast: numbers that bf16 has come back as they were, others rounded once, and the gradient in the type of x.
#include <cmath>

#include "engine/bf16.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

/// There and back again: the identity on numbers that bf16 has.
Tensor there_and_back(const std::vector<Tensor>& in) { return cast(cast(in[0], DType::bf16), DType::f32); }

/// Multiples of 1/8 below 4.
Tensor eighths(const Shape& shape) {
  const Tensor x = random_tensor(shape, 1, -4, 4);
  for (i64 i = 0; i < x.numel(); ++i) x.data()[i] = std::round(8 * x.data()[i]) / 8;
  return x;
}

TEST(Cast, RoundsEachNumberOnce) {
  for (const Shape& shape : {Shape{3, 7, 11}, Shape{}, Shape{2, 600, 1}, Shape{0, 4}}) {
    const Tensor x = random_tensor(shape, 1, -5, 5), y = cast(x, DType::bf16);
    ASSERT_EQ(y.shape(), shape);
    for (i64 i = 0; i < x.numel(); ++i) EXPECT_EQ(float(y.data<bf16>()[i]), float(bf16(x.data()[i])));
  }
}

TEST(Cast, GivesBackWhatBf16Has) {
  const Tensor x = eighths({5, 9});
  EXPECT_EQ(there_and_back({x}).to_host(), x.to_host());
}

TEST(Cast, IsNothingWhereTheTypeIsThat) {
  const Tensor x = random_tensor({3}, 1);
  EXPECT_EQ(cast(x, DType::f32).raw(), x.raw());
}

TEST(Cast, GradientHasTheTypeOfTheInput) {
  const Tensor x = random_tensor({2, 3}, 1).requires_grad_(), y = cast(x, DType::bf16);
  y.backward(Tensor::full({2, 3}, 0.5F, {}, DType::bf16));
  EXPECT_EQ(x.grad().to_host(), std::vector<float>(6, 0.5F));
}

TEST(CastErrors, NameTheDtype) { EXPECT_ERROR(cast(Tensor::zeros({2}), DType::i32), "maps are f32 or bf16, not i32"); }

LOST_TERMS(cast) {
  // The upstream gradient is rounded, by up to 2^-8 of each number; a step of 1/4 is exact.
  return {{"cast", there_and_back, {eighths({4, 5})}, {.tolerance = 0x1p-8, .step = 0.25F}}};
}

}  // namespace
}  // namespace md::test
