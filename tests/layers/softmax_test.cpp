// Softmax for rows of every width, on every device, against the definition of lesson 11 (tests/lessons/11_attention.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/11_attention.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& in) { return softmax(in[0]); }

TEST(Softmax, EqualsItsDefinition) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{3, 7, 11}, Shape{5, 1}, Shape{1, 300}, Shape{4}}) {
      const Tensor x = random_tensor(shape, 1, -5, 5, device);
      const Array want = lessons::attention::softmax_of_rows(Array(x));
      EXPECT_TRUE(close(softmax(x), want.tensor(), 1e-6)) << shape;  // float sums of up to 300 numbers
    }
  });
}

TEST(Softmax, PassesTheGradientCheck) {
  for_each_device([](Device device) { expect_gradcheck(op, {random_tensor({4, 3, 6}, 1, -2, 2, device)}); });
}

TEST(SoftmaxErrors, NameTheShape) { EXPECT_ERROR(softmax(Tensor::zeros({3, 0})), "softmax: input [3,0]"); }

}  // namespace
}  // namespace md::test
