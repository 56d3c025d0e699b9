// Max pooling in all its shapes and on every device, against lesson 7 (tests/lessons/07_pooling.h); ties, NaN, errors.
// Labels: devices
#include <cmath>
#include <limits>

#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/07_pooling.h"

namespace md::test {
namespace {

struct Case {
  const char* name;
  Shape x;
  PoolSpec spec;
};
std::ostream& operator<<(std::ostream& out, const Case& it) { return out << it.name; }

class MaxPool : public ::testing::TestWithParam<Case> {
 protected:
  const Case s = GetParam();
  Tensor apply(const Tensor& x) const { return max_pool(x, s.spec); }
};

TEST_P(MaxPool, EqualsItsDefinition) {
  for_each_device([&](Device device) {
    const Tensor x = random_tensor(s.x, 1, -1, 1, device);
    x.requires_grad_();
    const Tensor y = apply(x), dy = random_upstream(y.shape(), 2, device);
    y.backward(dy);
    const Array out = lessons::pooling::largest(Array(x), s.spec);
    const Array dx = lessons::pooling::largest_gradient(Array(x), Array(dy), s.spec, {});
    EXPECT_TRUE(close(y, out.tensor(), 0));           // only copies
    EXPECT_TRUE(close(x.grad(), dx.tensor(), 1e-6));  // sums of at most nine
  });
}

// A step of the difference quotient must not change who wins: values 0.1 apart.
TEST_P(MaxPool, PassesTheGradientCheck) {
  for_each_device([&](Device device) {
    std::vector<float> values(static_cast<std::size_t>(s.x.numel()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * static_cast<float>(i * 37 % values.size());
    expect_gradcheck([&](const auto& in) { return apply(in[0]); }, {Tensor::from_host(values, s.x, device)});
  });
}

INSTANTIATE_TEST_SUITE_P(
    , MaxPool,
    ::testing::Values(Case{"resnet_stem", {2, 6, 9, 3}, {3, 2, 1}}, Case{"no_overlap", {1, 4, 6, 2}, {2, 2, 0}},
                      Case{"gaps", {1, 7, 5, 1}, {2, 3, 0}}, Case{"every_pixel", {1, 5, 4, 5}, {3, 1, 1}},
                      Case{"one_window", {2, 3, 3, 2}, {3, 2, 0}}, Case{"many_channels", {1, 4, 3, 67}, {3, 2, 1}},
                      Case{"of_fours", {2, 5, 6, 8}, {3, 2, 1}}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(MaxPoolTies, GoToTheFirstPixel) {
  const Tensor x = Tensor::full({1, 2, 2, 1}, 5.F);
  x.requires_grad_();
  max_pool(x, {2, 2, 0}).backward(Tensor::full({1, 1, 1, 1}, 3.F));
  EXPECT_EQ(x.grad().to_host(), (std::vector<float>{3, 0, 0, 0}));
}

TEST(MaxPoolTies, NegativeValuesBeatThePadding) {
  EXPECT_EQ(max_pool(Tensor::full({1, 1, 1, 1}, -5.F), {3, 2, 1}).item(), -5.F);
}

TEST(MaxPoolTies, NaNWins) {
  for (const std::size_t at : {0, 1, 2}) {
    std::vector<float> values = {1, 2, 3};
    values[at] = std::nanf("");
    const Tensor y = max_pool(Tensor::from_host(values, {1, 1, 3, 1}), {3, 1, 1});
    EXPECT_TRUE(std::isnan(y.to_host()[1])) << at;  // the window that sees all three
  }
}

TEST(MaxPoolErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({1, 2, 5, 3});
  EXPECT_ERROR(max_pool(x, {3, 2, 0}), "max_pool: input [1,2,5,3] is smaller than the window of 3");
  EXPECT_ERROR(max_pool(x, {2, 2, 2}), "max_pool: kernel 2, stride 2, pad 2");
  EXPECT_ERROR(max_pool(Tensor::zeros({2, 5}), {2, 2, 0}), "input [2,5] is not a map [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
