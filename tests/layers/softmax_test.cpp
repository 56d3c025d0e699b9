// Softmax: positive numbers that sum to 1 along the last axis; adding a constant to a row changes nothing.
// Labels: devices
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& in) { return softmax(in[0]); }

TEST(Softmax, EqualsItsDefinition) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{3, 7, 11}, Shape{5, 1}, Shape{1, 300}, Shape{4}}) {
      const Tensor x = random_tensor(shape, 1, -5, 5, device);
      const std::size_t C = std::size_t(shape[-1]);
      std::vector<double> want = to_double(x);
      for (std::size_t row = 0; row < want.size(); row += C) {
        double sum = 0;
        for (std::size_t c = 0; c < C; ++c) sum += want[row + c] = std::exp(want[row + c]);
        for (std::size_t c = 0; c < C; ++c) want[row + c] /= sum;
      }
      EXPECT_LE(relative_l2(to_double(softmax(x)), want), 1e-6) << shape;  // float sums of up to 300 numbers
    }
  });
}

TEST(Softmax, DoesNotOverflow) {
  const Tensor x = Tensor::from_host(std::vector<float>{1000, 1000, -1000}, {1, 3});
  EXPECT_EQ(softmax(x).to_host(), (std::vector<float>{0.5F, 0.5F, 0}));
}

TEST(Softmax, PassesTheGradientCheck) {
  for_each_device([](Device device) { expect_gradcheck(op, {random_tensor({4, 3, 6}, 1, -2, 2, device)}); });
}

TEST(SoftmaxErrors, NameTheShape) { EXPECT_ERROR(softmax(Tensor::zeros({3, 0})), "softmax: input [3,0]"); }

LOST_TERMS(softmax) {
  const auto without_sum = [](const std::vector<Tensor>& in, const Tensor& dy) { return multiply(softmax(in[0]), dy); };
  return {{"softmax",
           [](const std::vector<Tensor>& in) { return softmax(in[0]); },
           {random_tensor({5, 6}, 1, -2, 2)},
           {},
           {{"the row's sum", 0, without_sum}}}};  // dx = y * (dy - sum over the row of y * dy)
}

}  // namespace
}  // namespace md::test
