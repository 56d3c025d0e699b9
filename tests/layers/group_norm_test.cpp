// Group norm for maps of the sizes of a pyramid pooling head, on every device, against the definition of lesson 10
// (tests/lessons/10_norms.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/10_norms.h"

namespace md::test {
namespace {

constexpr double kEps = 1e-5;

Array definition(const Array& x, i64 count, const Array& weight, const Array& bias) {
  using namespace lessons::norms;
  const Groups groups = by_part_of_channels(x.shape(), count);
  return normalise_and_scale(x, weight, bias, {groups, statistics(x, groups), kEps});
}

Function op(i64 groups) {
  return [groups](const std::vector<Tensor>& in) { return group_norm(in[0], groups, in[1], in[2]); };
}

std::vector<Tensor> inputs(const Shape& shape, Device device) {
  return {random_tensor(shape, 1, -2, 3, device), random_tensor({shape[3]}, 2, 0.5F, 1.5F, device),
          random_tensor({shape[3]}, 3, -1, 1, device)};
}

TEST(GroupNorm, EqualsItsDefinition) {
  for_each_device([](Device device) {
    struct Case {
      Shape shape;
      i64 groups;
    };
    for (const Case& c :
         {Case{{2, 5, 4, 12}, 6}, Case{{1, 6, 6, 512}, 256}, Case{{3, 2, 3, 4}, 1}, Case{{2, 3, 2, 4}, 4}}) {
      const std::vector<Tensor> in = inputs(c.shape, device);
      const Array want = definition(Array(in[0]), c.groups, Array(in[1]), Array(in[2]));
      EXPECT_TRUE(close(op(c.groups)(in), want.tensor(), 1e-6)) << c.shape;  // float sums
    }
  });
}

// What the first pyramid level of NeWCRFs does: two values become +1 and -1, whatever they are.
TEST(GroupNorm, OfAPairIsItsOrder) {
  const Tensor x = Tensor::from_host(std::vector<float>{3, 7, 0.25F, -8}, {1, 1, 1, 4});
  const Tensor y = group_norm(x, 2, Tensor::full({4}, 1), Tensor::zeros({4}));
  EXPECT_TRUE(close(y, Tensor::from_host(std::vector<float>{-1, 1, 1, -1}, {1, 1, 1, 4}), 1e-5));  // eps
}

TEST(GroupNorm, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck(op(3), inputs({2, 3, 2, 6}, device));
    expect_gradcheck(op(1), inputs({1, 2, 2, 5}, device));
  });
}

TEST(GroupNormErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({1, 2, 2, 6}), c = Tensor::zeros({6});
  EXPECT_ERROR(group_norm(x, 4, c, c), "group_norm: input [1,2,2,6] does not divide into 4 groups");
  EXPECT_ERROR(group_norm(x, 3, c, Tensor::zeros({3})), "group_norm: weight [6] and bias [3] for input [1,2,2,6]");
}

}  // namespace
}  // namespace md::test
