// The linear map of the last axis: y[r,o] = bias[o] + sum over i of x[r,i] * w[o,i], the same for every row r.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

struct Definition {
  std::vector<double> y, dx, dw, dbias;
};

Definition definition(const Tensor& x_tensor, const Tensor& w_tensor, const Tensor& bias_tensor,
                      const Tensor& dy_tensor) {
  const std::size_t O = std::size_t(w_tensor.dim(0)), I = std::size_t(w_tensor.dim(1));
  const std::vector<double> x = to_double(x_tensor), w = to_double(w_tensor), dy = to_double(dy_tensor),
                            bias = bias_tensor ? to_double(bias_tensor) : std::vector<double>(O);
  const std::size_t R = x.size() / I;
  Definition d{std::vector<double>(R * O), std::vector<double>(x.size()), std::vector<double>(w.size()),
               std::vector<double>(O)};
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t o = 0; o < O; ++o) {
      d.y[r * O + o] = bias[o];
      d.dbias[o] += dy[r * O + o];
      for (std::size_t i = 0; i < I; ++i) {
        d.y[r * O + o] += x[r * I + i] * w[o * I + i];
        d.dx[r * I + i] += dy[r * O + o] * w[o * I + i];
        d.dw[o * I + i] += dy[r * O + o] * x[r * I + i];
      }
    }
  return d;
}

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
      const Definition want = definition(in[0], in[1], c.bias ? in[2] : Tensor(), random_upstream(y.shape(), 4));
      EXPECT_LE(relative_l2(to_double(y), want.y), rounding) << c.x;
      EXPECT_EQ(y.shape()[-1], c.outputs);
      const std::vector<Tensor> got = gradients(op, in, 4);
      EXPECT_LE(relative_l2(to_double(got[0]), want.dx), rounding) << c.x;
      EXPECT_LE(relative_l2(to_double(got[1]), want.dw), rounding) << c.x;
      if (!c.bias) continue;
      EXPECT_LE(relative_l2(to_double(got[2]), want.dbias), rounding) << c.x;
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
