// The linear map of the last axis, of any shape and on every device, against lesson 4 (tests/lessons/04_linear.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/04_linear.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& in) { return linear(in[0], in[1], in.size() > 2 ? in[2] : Tensor()); }

// Sums of up to 300 products in float, in whatever order the library takes; of 8200, five times that.
constexpr double kRounding = 2e-6;

TEST(Linear, EqualsItsDefinition) {
  for_each_device([](Device device) {
    struct Case {
      Shape x;
      i64 outputs;
      bool bias;
    };
    for (const Case& c :
         {Case{{2, 3, 5, 7}, 11, true}, Case{{1, 1}, 1, true}, Case{{300, 96}, 33, false}, Case{{4, 64}, 128, true},
          Case{{17}, 3, false}, Case{{8200, 21}, 18, true}, Case{{1100, 70}, 100, true}}) {
      const i64 I = c.x[-1];
      const double rounding = c.x[0] > 300 ? 5 * kRounding : kRounding;
      std::vector<Tensor> in = {random_tensor(c.x, 1, -1, 1, device), random_tensor({c.outputs, I}, 2, -1, 1, device)};
      if (c.bias) in.push_back(random_tensor({c.outputs}, 3, -1, 1, device));
      const Tensor y = op(in);
      const Array x = lessons::linear::rows_of(Array(in[0])), w(in[1]),
                  bias = c.bias ? Array(in[2]) : Array({c.outputs});
      const Array dy = lessons::linear::rows_of(Array(random_upstream(y.shape(), 4)));
      const Arrays want = lessons::linear::map_rows_gradients(x, w, dy, {});
      EXPECT_LE(relative_l2(to_double(y), lessons::linear::map_rows(x, w, bias).values()), rounding) << c.x;
      EXPECT_EQ(y.shape()[-1], c.outputs);
      const std::vector<Tensor> got = gradients(op, in, 4);
      EXPECT_LE(relative_l2(to_double(got[0]), want[0].values()), rounding) << c.x;
      EXPECT_LE(relative_l2(to_double(got[1]), want[1].values()), rounding) << c.x;
      if (!c.bias) continue;
      EXPECT_LE(relative_l2(to_double(got[2]), want[2].values()), rounding) << c.x;
    }
  });
}

// A backend may keep a copy of the weight in a layout of its own, from the second use of one version on.
TEST(Linear, FollowsAWeightThatChanges) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({1100, 40}, 1, -1, 1, device), w = random_tensor({24, 40}, 2, -1, 1, device);
    const std::vector<float> before = linear(x, w, {}).to_host();
    EXPECT_EQ(linear(x, w, {}).to_host(), before);
    EXPECT_EQ(linear(x, w, {}).to_host(), before);
    w.copy_from(random_tensor({24, 40}, 3, -1, 1, device));
    EXPECT_EQ(linear(x, w, {}).to_host(), linear(x, w.clone(), {}).to_host());
    EXPECT_NE(linear(x, w, {}).to_host(), before);
  });
}

TEST(Linear, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck(op, {random_tensor({2, 3, 7}, 1, -1, 1, device), random_tensor({5, 7}, 2, -1, 1, device),
                          random_tensor({5}, 3, -1, 1, device)});
  });
}

// The gradient of a shortcut is there before the product's, which a device may add to it in the same pass.
TEST(Linear, AddsItsGradientToAShortcuts) {
  for_each_device([](Device device) {
    const auto beside = [](const std::vector<Tensor>& in) {
      const Tensor x = scale(in[0], 2.F);
      return add(x, linear(x, in[1], in[2]));
    };
    expect_gradcheck(beside, {random_tensor({2, 3, 5}, 1, -1, 1, device), random_tensor({5, 5}, 2, -1, 1, device),
                              random_tensor({5}, 3, -1, 1, device)});
  });
}

TEST(LinearErrors, NameTheShapes) {
  EXPECT_ERROR(linear(Tensor::zeros({2, 3, 4}), Tensor::zeros({5, 3}), {}),
               "linear: input [2,3,4] does not fit weight [5,3]");
  EXPECT_ERROR(linear(Tensor::zeros({2, 3}), Tensor::zeros({5, 3}), Tensor::zeros({3})),
               "linear: bias [3] for weight [5,3]");
}

}  // namespace
}  // namespace md::test
