// A worked example: the test of a new op (softplus.h, softplus.cpp), as tests/layers/softplus_test.cpp would be. With
// the row in layers/README.md these are all the files that a new op touches.
// Labels: devices
#include <cmath>

#include "tests/examples/softplus.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"

namespace md::examples {
namespace {

using namespace test;

Tensor op(const std::vector<Tensor>& in) { return softplus(in[0]); }

TEST(Softplus, EqualsItsDefinition) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 3, 5}, 1, -9, 9, device);
    std::vector<double> want = to_double(x);
    for (double& v : want) v = std::log(1 + std::exp(v));
    EXPECT_LE(relative_l2(to_double(softplus(x)), want), 1e-6);
  });
}

TEST(Softplus, DoesNotOverflow) {
  const Tensor x = Tensor::from_host(std::vector<float>{1000, -1000}, {2});
  EXPECT_EQ(softplus(x).to_host(), (std::vector<float>{1000, 0}));
}

TEST(Softplus, PassesTheGradientCheck) {
  for_each_device([](Device device) { expect_gradcheck(op, {random_tensor({4, 7}, 1, -3, 3, device)}); });
}

LOST_TERMS(softplus) {
  // dx = dy / (1 + e^-x): with e^-x lost, dy goes through.
  const auto without_exponential = [](const std::vector<Tensor>&, const Tensor& dy) { return dy; };
  return {{"softplus", op, {random_tensor({4, 7}, 1, -3, 3)}, {}, {{"e^-x", 0, without_exponential}}}};
}

}  // namespace
}  // namespace md::examples
