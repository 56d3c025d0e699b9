// Rows divided by their length, of every width and shorter than eps, on every device, against the definition of lesson
// 10 (tests/lessons/10_norms.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/10_norms.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& in) { return l2_normalize(in[0]); }

TEST(L2Normalize, EqualsItsDefinition) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{2, 3, 5, 3}, Shape{1, 4, 2, 1}, Shape{7, 33}, Shape{4}}) {
      const Tensor x = random_tensor(shape, 1, -2, 2, device);
      const Array rows({1, 1, shape.numel() / shape[-1], shape[-1]}, to_double(x));
      const Array want = lessons::norms::divide_by_length(rows);
      EXPECT_TRUE(close(l2_normalize(x), want.tensor().reshape(shape), 1e-6)) << shape;
    }
  });
}

TEST(L2Normalize, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck(op, {random_tensor({2, 3, 4, 3}, 1, 0.5F, 2, device)});  // far from the kink at 0
    expect_gradcheck(op, {random_tensor({3, 17}, 2, -2, 2, device)});
  });
}

// A gradient along x only makes it longer.
TEST(L2Normalize, PassesNothingOnThatPointsAlongTheRow) {
  const Tensor x = random_tensor({5, 3}, 1, 0.5F, 2);
  x.requires_grad_();
  l2_normalize(x).backward(x.detach());
  for (const float g : x.grad().to_host()) EXPECT_NEAR(double(g), 0, 1e-6);  // |x| <= 3.5, a few roundings
}

TEST(L2Normalize, DividesRowsShorterThanEpsByEps) {
  const Tensor x = Tensor::from_host(std::vector<float>{0, 0, 0, 0.3F, 0, 0.4F}, {2, 3});
  x.requires_grad_();
  const Tensor y = l2_normalize(x, 2.F);
  EXPECT_EQ(y.to_host(), (std::vector<float>{0, 0, 0, 0.15F, 0, 0.2F}));
  y.backward(Tensor::full({2, 3}, 3.F));
  EXPECT_EQ(x.grad().to_host(), std::vector<float>(6, 1.5F));
}

TEST(L2NormalizeErrors, NameTheShape) {
  EXPECT_ERROR(l2_normalize(Tensor::zeros({})), "l2_normalize: input []");
  EXPECT_ERROR(l2_normalize(Tensor::zeros({2, 3}), 0.F), "l2_normalize: input [2,3], eps 0");
}

}  // namespace
}  // namespace md::test
