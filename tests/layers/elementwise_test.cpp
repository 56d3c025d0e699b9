// a + b, a * b and x times a number, element by element: dy flows to both sides of a sum, and through a product with
// the other factor.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

const Shape kShapes[] = {Shape{}, Shape{3}, Shape{2, 5, 4, 1}, Shape{1, 7, 40, 33}};

Tensor elementwise(const Tensor& a, const Tensor& b, float (*f)(float, float)) {
  std::vector<float> y = a.to_host();
  const std::vector<float> other = b.to_host();
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = f(y[i], other[i]);
  return Tensor::from_host(y, a.shape());
}

TEST(Elementwise, IsExact) {  // one operation in float has one result
  for_each_device([](Device device) {
    for (const Shape& shape : kShapes) {
      const Tensor a = random_tensor(shape, 1, -1, 1, device), b = random_tensor(shape, 2, -1, 1, device);
      EXPECT_TRUE(close(add(a, b), elementwise(a, b, [](float p, float q) { return p + q; }), 0)) << shape;
      EXPECT_TRUE(close(multiply(a, b), elementwise(a, b, [](float p, float q) { return p * q; }), 0)) << shape;
      EXPECT_TRUE(close(scale(a, -2.5F), elementwise(a, a, [](float p, float) { return -2.5F * p; }), 0)) << shape;
    }
  });
}

// A GPU takes several elements at once where they begin at whole packs of them.
TEST(Elementwise, OfRowsThatBeginAnywhere) {
  for_each_device([](Device device) {
    const Tensor all = random_tensor({9, 5}, 1, -1, 1, device), a = all.rows(1, 8), b = all.rows(0, 7);
    EXPECT_TRUE(close(add(a, b), elementwise(a, b, [](float p, float q) { return p + q; }), 0));
    EXPECT_TRUE(close(scale(a, 3.F), elementwise(a, a, [](float p, float) { return 3.F * p; }), 0));
  });
}

TEST(Elementwise, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    const Tensor a = random_tensor({2, 3, 5, 4}, 1, -1, 1, device), b = random_tensor({2, 3, 5, 4}, 2, -1, 1, device);
    expect_gradcheck([](const auto& in) { return add(in[0], in[1]); }, {a, b});
    expect_gradcheck([](const auto& in) { return multiply(in[0], in[1]); }, {a, b});
    expect_gradcheck([](const auto& in) { return scale(in[0], 0.3F); }, {a});
  });
}

TEST(Elementwise, TakesTheSameTensorTwice) {
  const Tensor x = random_tensor({3, 4}, 1);
  expect_gradcheck([](const auto& in) { return add(in[0], in[0]); }, {x});       // dx = 2 dy
  expect_gradcheck([](const auto& in) { return multiply(in[0], in[0]); }, {x});  // dx = 2 x dy
}

TEST(ElementwiseErrors, NameTheShapes) {
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({3, 2});
  EXPECT_ERROR(add(a, b), "add: shapes [2,3] and [3,2] differ");
  EXPECT_ERROR(add(a, Tensor::zeros({2, 3}, {}, DType::i32)), "add: [2,3] i32 beside [2,3] f32");
  EXPECT_ERROR(multiply(a, b), "multiply: shapes [2,3] and [3,2] differ");
}

}  // namespace
}  // namespace md::test
