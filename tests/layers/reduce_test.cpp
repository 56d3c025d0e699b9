// Sum and mean over everything: each element gets the one upstream gradient, for the mean divided by their number.
// Labels: devices
#include <cmath>
#include <limits>

#include "engine/backend.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

double total(const Tensor& x) {
  double sum = 0;
  for (const double v : to_double(x)) sum += v;
  return sum;
}

TEST(Reduce, AddsEverythingUp) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{2, 3, 5, 7}, Shape{70001}}) {
      const Tensor x = random_tensor(shape, 1, 0, 1, device);
      const double want = total(x);
      EXPECT_EQ(sum(x).shape(), Shape{});
      EXPECT_NEAR(double(sum(x).item()), want, 1e-6 * want) << shape;  // partial sums in float are short
      EXPECT_NEAR(double(mean(x).item()), want / double(x.numel()), 1e-6) << shape;
    }
  });
}

// A running float sum stops growing at 2^24; partial sums must not.
TEST(Reduce, DoesNotLoseSmallTermsInALargeSum) { EXPECT_EQ(sum(Tensor::full({20000000}, 1.F)).item(), 2e7F); }

// More than a launch takes at once, some of them empty, some longer than a block's part.
TEST(ManyTensors, AreSummedAndCopiedOneByOne) {
  for_each_device([](Device device) {
    std::vector<Tensor> x, copies;
    for (i64 k = 0; k < 150; ++k) {
      x.push_back(random_tensor({k % 40 == 7 ? 40001 : 1 + k}, std::uint64_t(k), 0, 1, device));
      copies.push_back(Tensor::zeros(x.back().shape(), device));
    }
    backend(device).copy_each(copies, x);
    for (std::size_t k = 0; k < x.size(); ++k) EXPECT_EQ(copies[k].to_host(), x[k].to_host()) << k;
    x[3] = x[149] = {};
    x[5] = Tensor::full({2000}, std::numeric_limits<float>::quiet_NaN(), device);
    const Tensor sums = Tensor::full({150}, 9, device);
    backend(device).sum_each(x, sums);
    const std::vector<float> got = sums.to_host();
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double want = x[k] ? total(x[k]) : 0;
      if (k == 5) {
        EXPECT_TRUE(std::isnan(got[k]));
      } else {
        EXPECT_NEAR(double(got[k]), want, 1e-6 * want) << k;  // partial sums in float are short
      }
    }
  });
}

TEST(Reduce, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({2, 3, 5, 4}, 1, -1, 1, device);
    // Linear, so a large step costs no accuracy and lifts the difference above the rounding of the sum.
    expect_gradcheck([](const auto& in) { return sum(in[0]); }, {x}, {.step = 1});
    expect_gradcheck([](const auto& in) { return mean(in[0]); }, {x}, {.step = 1});
  });
}

TEST(ReduceErrors, TheMeanOfNothing) { EXPECT_ERROR(mean(Tensor::zeros({0, 3})), "mean: input [0,3] is empty"); }

}  // namespace
}  // namespace md::test
