// A convolution of a map enlarged by two: y = conv2d(upsample_nearest(x, 2), w), pad 1. That composition is the
// definition; the op must equal it without ever making the enlarged map.
// Labels: devices cudnn
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

struct Sizes {
  const char* name;
  Shape x;
  i64 out;
};
std::ostream& operator<<(std::ostream& out, const Sizes& it) { return out << it.name; }

Tensor enlarged_first(const std::vector<Tensor>& in) {
  return conv2d(upsample_nearest(in[0], 2.), in[1], {}, {.pad = 1});
}
Tensor op(const std::vector<Tensor>& in) { return upsample_conv2d(in[0], in[1]); }

class UpsampleConv : public ::testing::TestWithParam<Sizes> {
 protected:
  const Sizes s = GetParam();
  std::vector<Tensor> inputs(Device device) const {
    return {random_tensor(s.x, 1, -1, 1, device), random_tensor({s.out, 3, 3, s.x[3]}, 2, -1, 1, device)};
  }
};

// The two sum the same products in another order.
constexpr double kTolerance = 2e-6;

TEST_P(UpsampleConv, EqualsEnlargingFirst) {
  for_each_device([&](Device device) {
    const std::vector<Tensor> in = inputs(device);
    EXPECT_TRUE(close(op(in), enlarged_first(in), kTolerance));
    const std::vector<Tensor> got = gradients(op, in), want = gradients(enlarged_first, in);
    EXPECT_TRUE(close(got[0], want[0], kTolerance));
    EXPECT_TRUE(close(got[1], want[1], kTolerance));
  });
}

TEST_P(UpsampleConv, PassesTheGradientCheck) {
  for_each_device([&](Device device) { expect_gradcheck(op, inputs(device)); });
}

INSTANTIATE_TEST_SUITE_P(, UpsampleConv,
                         ::testing::Values(Sizes{"one_pixel", {1, 1, 1, 1}, 1}, Sizes{"one_row", {2, 1, 4, 3}, 2},
                                           Sizes{"batch", {3, 3, 2, 4}, 5}, Sizes{"one_channel", {1, 4, 3, 1}, 1},
                                           Sizes{"wide", {1, 3, 5, 17}, 16}),
                         [](const auto& instance) { return std::string(instance.param.name); });

class UpsampleConvActivation : public ::testing::TestWithParam<i64> {};  // output channels

TEST_P(UpsampleConvActivation, IsThatOfTheResult) {
  for_each_device([](Device device) {
    const std::vector<Tensor> in = {random_tensor({2, 3, 4, 5}, 1, -2, 2, device),
                                    random_tensor({GetParam(), 3, 3, 5}, 2, -1, 1, device)};
    for (const Activation& act : {Activation{Act::relu}, {Act::leaky_relu, 0.2F}, {Act::elu}, {Act::sigmoid}}) {
      SCOPED_TRACE(name_of(act.kind));
      const Function fused = [&](const auto& t) { return upsample_conv2d(t[0], t[1], act); };
      const Function steps = [&](const auto& t) { return activate(op(t), act); };
      EXPECT_TRUE(close(fused(in), steps(in), 1e-6));
      const std::vector<Tensor> got = gradients(fused, in), want = gradients(steps, in);
      EXPECT_TRUE(close(got[0], want[0], 1e-6));
      EXPECT_TRUE(close(got[1], want[1], 1e-6));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(, UpsampleConvActivation, ::testing::Values(6, 8));

TEST(UpsampleConvFolded, MayBeKept) {
  for_each_device([](Device device) {
    const Tensor x = random_tensor({1, 3, 4, 5}, 1, -1, 1, device), w = random_tensor({6, 3, 3, 5}, 2, -1, 1, device);
    EXPECT_TRUE(close(upsample_conv2d(x, w, {}, fold_upsampling(w)), upsample_conv2d(x, w), 0));
  });
}

TEST(UpsampleConvErrors, NameTheShapes) {
  const Tensor x = Tensor::zeros({1, 2, 2, 3});
  EXPECT_ERROR(upsample_conv2d(x, Tensor::zeros({4, 3, 3, 2})),
               "upsample_conv2d: input [1,2,2,3] wants a weight [O,3,3,3], not [4,3,3,2]");
  EXPECT_ERROR(upsample_conv2d(x, Tensor::zeros({3})), "not [3]");
}

}  // namespace
}  // namespace md::test
