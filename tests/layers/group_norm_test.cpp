// Group norm: the channels of an image are cut into groups, each normalised over its channels and all pixels.
// Labels: devices
#include <cmath>

#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

constexpr double kEps = 1e-5;

HostMap definition(const HostMap& x, i64 groups, const std::vector<double>& weight, const std::vector<double>& bias) {
  HostMap y = x;
  const i64 width = x.dim(3) / groups, m = x.dim(1) * x.dim(2) * width;
  for (i64 n = 0; n < x.dim(0); ++n)
    for (i64 g = 0; g < groups; ++g) {
      const auto over_group = [&](auto body) {
        for (i64 h = 0; h < x.dim(1); ++h)
          for (i64 w = 0; w < x.dim(2); ++w)
            for (i64 c = g * width; c < (g + 1) * width; ++c) body(y(n, h, w, c), std::size_t(c));
      };
      double mean = 0, variance = 0;
      over_group([&](double v, std::size_t) { mean += v / double(m); });
      over_group([&](double v, std::size_t) { variance += (v - mean) * (v - mean) / double(m); });
      over_group([&](double& v, std::size_t c) { v = (v - mean) / std::sqrt(variance + kEps) * weight[c] + bias[c]; });
    }
  return y;
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
      const HostMap want = definition(HostMap(in[0]), c.groups, to_double(in[1]), to_double(in[2]));
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
