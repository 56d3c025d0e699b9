// The gate of squeeze-and-excitation in all its shapes and on every device, against lesson 3
// (tests/lessons/03_reduce.h); squeeze_excite, whose gate follows from the means of x, equals the composition of the
// three ops.
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/kit/lost_terms.h"
#include "tests/lessons/03_reduce.h"

namespace md::test {
namespace {

Tensor op(const std::vector<Tensor>& in) { return multiply_channels(in[0], in[1]); }

TEST(MultiplyChannels, EqualsItsDefinition) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{3, 1, 1, 4}, Shape{1, 4, 2, 1}, Shape{2, 30, 21, 72}}) {
      const Tensor x = random_tensor(shape, 1, -1, 1, device),
                   s = random_tensor({shape[0], 1, 1, shape[3]}, 2, 0, 1, device), dy = random_upstream(shape, 3);
      const Array want = lessons::reduce::times_channels(Array(x), Array(s));
      const Arrays d = lessons::reduce::times_channels_gradients(Array(x), Array(s), Array(dy), {});
      EXPECT_TRUE(close(op({x, s}), want.tensor(), 1e-7)) << shape;
      const std::vector<Tensor> got = gradients(op, {x, s}, 3);
      EXPECT_TRUE(close(got[0], d[0].tensor(), 1e-7)) << shape;
      EXPECT_TRUE(close(got[1], d[1].tensor(), 1e-6)) << shape;  // a sum of up to 630 products in float
    }
  });
}

TEST(MultiplyChannels, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck(op, {random_tensor({2, 3, 4, 5}, 1, -1, 1, device), random_tensor({2, 1, 1, 5}, 2, 0, 1, device)});
  });
}

/// With a gate of one weight for each channel of each image.
Tensor gate(const Tensor& mean, const Tensor& weight) { return sigmoid(multiply(mean, weight)); }
Tensor excited(const std::vector<Tensor>& in) {
  return squeeze_excite(in[0], [&](const Tensor& mean) { return gate(mean, in[1]); });
}
Tensor step_by_step(const std::vector<Tensor>& in) {
  return multiply_channels(in[0], gate(adaptive_avg_pool(in[0], 1, 1), in[1]));
}
std::vector<Tensor> image_and_weight(const Shape& x, Device device = {}) {
  return {random_tensor(x, 1, -1, 1, device), random_tensor({x[0], 1, 1, x[3]}, 2, -8, 8, device)};
}

TEST(SqueezeExcite, EqualsTheOpsThatItIsMadeOf) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{3, 1, 1, 4}, Shape{1, 4, 2, 1}, Shape{2, 30, 21, 72}}) {
      const std::vector<Tensor> in = image_and_weight(shape, device);
      EXPECT_TRUE(close(excited(in), step_by_step(in), 0)) << shape;
      const std::vector<Tensor> got = gradients(excited, in), want = gradients(step_by_step, in);
      EXPECT_TRUE(close(got[0], want[0], 1e-6)) << shape;  // the same sum of two terms, perhaps in one rounding
      EXPECT_TRUE(close(got[1], want[1], 1e-6)) << shape;
    }
  });
}

TEST(SqueezeExcite, PassesTheGradientCheck) {
  for_each_device([](Device device) { expect_gradcheck(excited, image_and_weight({2, 3, 4, 5}, device)); });
}

TEST(SqueezeExcite, TrainsTheGateOfAnImageThatNeedsNoGradient) {
  const std::vector<Tensor> in = image_and_weight({2, 3, 4, 5});
  in[1].requires_grad_();
  const Tensor dy = random_upstream({2, 3, 4, 5}, 3);
  excited(in).backward(dy);
  EXPECT_TRUE(close(in[1].grad(), gradients(step_by_step, in, 3)[1], 1e-6));
  EXPECT_FALSE(in[0].grad());
}

LOST_TERMS(squeeze_excite) {
  const auto of_the_product = [](const std::vector<Tensor>& in, const Tensor& dy) {
    return multiply_channels(dy, gate(adaptive_avg_pool(in[0], 1, 1), in[1]));
  };
  return {{"squeeze_excite", excited, image_and_weight({2, 3, 4, 5}), {}, {{"the means'", 0, of_the_product}}}};
}

TEST(SqueezeExciteErrors, NameTheShapesAndAGateThatStandsAlone) {
  const Tensor x = Tensor::zeros({2, 3, 4, 5}).requires_grad_();
  EXPECT_ERROR(squeeze_excite(x, [](const Tensor& mean) { return slice_channels(mean, 0, 4); }),
               "squeeze_excite: input [2,3,4,5] wants a gate [2,1,1,5], not [2,1,1,4]");
  EXPECT_ERROR(squeeze_excite(x, [](const Tensor& mean) { return mean.detach(); }),
               "squeeze_excite: the gate does not follow from its argument");
}

TEST(MultiplyChannelsErrors, NameTheShapes) {
  EXPECT_ERROR(multiply_channels(Tensor::zeros({2, 3, 4, 5}), Tensor::zeros({2, 1, 1, 4})),
               "multiply_channels: input [2,3,4,5] wants a gate [2,1,1,5], not [2,1,1,4]");
  EXPECT_ERROR(multiply_channels(Tensor::zeros({2, 5}), Tensor::zeros({2, 1, 1, 5})), "is not a map [N,H,W,C]");
}

}  // namespace
}  // namespace md::test
