// Layer norm for rows of every width, on every device, against the definition of lesson 10 (tests/lessons/10_norms.h).
// Labels: devices
#include "layers/ops.h"
#include "tests/kit/host_map.h"
#include "tests/lessons/10_norms.h"

namespace md::test {
namespace {

constexpr double kEps = 1e-5;

/// As a map of one row of pixels, which the lesson's loops take.
Array as_map(const Tensor& t) { return {{1, 1, t.numel() / t.dim(-1), t.dim(-1)}, to_double(t)}; }

std::vector<double> definition(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  using namespace lessons::norms;
  const Array map = as_map(x);
  const Groups pixels = by_pixel(map.shape());
  return normalise_and_scale(map, Array(weight), Array(bias), {pixels, statistics(map, pixels), kEps}).values();
}

Tensor op(const std::vector<Tensor>& in) { return layer_norm(in[0], in[1], in[2]); }

std::vector<Tensor> inputs(const Shape& shape, Device device) {
  return {random_tensor(shape, 1, -2, 3, device), random_tensor({shape[-1]}, 2, 0.5F, 1.5F, device),
          random_tensor({shape[-1]}, 3, -1, 1, device)};
}

TEST(LayerNorm, EqualsItsDefinition) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{2, 3, 5, 96}, Shape{1, 7}, Shape{40, 1000}, Shape{5, 2}, Shape{300, 24}}) {
      const std::vector<Tensor> in = inputs(shape, device);
      EXPECT_LE(relative_l2(to_double(op(in)), definition(in[0], in[1], in[2])), 1e-6) << shape;  // float sums
    }
  });
}

// float keeps 7 digits of x, so a deviation of 1 around 1000 is known to 6e-5; two looks at the row lose no more.
TEST(LayerNorm, IsExactForRowsFarFromZero) {
  const Tensor x = random_tensor({8, 192}, 1, 999, 1001), one = Tensor::full({192}, 1), zero = Tensor::zeros({192});
  EXPECT_LE(relative_l2(to_double(op({x, one, zero})), definition(x, one, zero)), 1e-4);
}

TEST(LayerNorm, OfOneChannelIsTheBias) {
  const Tensor y = op({random_tensor({3, 1}, 1), Tensor::full({1}, 2.F), Tensor::full({1}, 0.5F)});
  EXPECT_EQ(y.to_host(), std::vector<float>(3, 0.5F));
}

TEST(LayerNorm, PassesTheGradientCheck) {
  for_each_device([](Device device) {
    expect_gradcheck(op, inputs({2, 3, 7}, device));
    expect_gradcheck(op, inputs({5, 40}, device));
  });
}

TEST(LayerNorm, GradientOfARowHasNoMeanAndIsOrthogonalToTheRow) {
  const std::vector<Tensor> in = {random_tensor({1, 50}, 1, -2, 3), Tensor::full({50}, 1), Tensor::zeros({50})};
  const std::vector<double> dx = to_double(gradients(op, in)[0]), y = to_double(op(in));
  double sum = 0, along = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) sum += dx[i], along += dx[i] * y[i];
  EXPECT_NEAR(sum, 0, 1e-5);
  EXPECT_NEAR(along, 0, 1e-4);  // eps leaves variance(row) / (variance + eps) of it
}

// Rows that a device keeps in registers, and rows that it reads again.
TEST(LayerNorm, RowsOfAnyWidthAreTheSameOnEveryDevice) {
  for_each_device([](Device device) {
    for (const Shape& shape : {Shape{300, 24}, Shape{3, 200}, Shape{9, 384}, Shape{37, 516}, Shape{3, 1536},
                               Shape{2, 1540}, Shape{2, 1537}, Shape{3000, 24}, Shape{16500, 32}}) {
      const std::vector<Tensor> in = inputs(shape, device), on_cpu = inputs(shape, {});
      EXPECT_LE(relative_l2(to_double(op(in)), to_double(op(on_cpu))), 1e-6) << shape;
      const std::vector<Tensor> got = gradients(op, in, 5), want = gradients(op, on_cpu, 5);
      for (std::size_t i = 0; i < got.size(); ++i)
        EXPECT_LE(relative_l2(to_double(got[i]), to_double(want[i])), 1e-6) << shape << ", input " << i;
    }
  });
}

// The gradient of a shortcut is there before the norm's, which a device may add to it in the same pass.
TEST(LayerNorm, AddsItsGradientToAShortcuts) {
  const auto beside = [](const std::vector<Tensor>& in) {
    const Tensor x = scale(in[0], 2.F);
    return add(x, layer_norm(x, in[1], in[2]));
  };
  for_each_device([&](Device device) {
    expect_gradcheck(beside, inputs({2, 3, 7}, device));
    for (const Shape& shape : {Shape{40, 96}, Shape{3, 1540}}) {
      const std::vector<Tensor> in = inputs(shape, device);
      const std::vector<double> whole = to_double(gradients(beside, in, 5)[0]),
                                norms = to_double(gradients(op, {scale(in[0], 2.F), in[1], in[2]}, 5)[0]),
                                dy = to_double(random_upstream(shape, 5));
      std::vector<double> want(whole.size());
      for (std::size_t i = 0; i < want.size(); ++i) want[i] = 2 * (dy[i] + norms[i]);
      EXPECT_LE(relative_l2(whole, want), 1e-6) << shape;
    }
  });
}

TEST(LayerNorm, SumsTheParameterGradientsOverChunksOfRows) {
  // 3000 rows of 24 are several chunks; the definition is one sum.
  const std::vector<Tensor> in = inputs({3000, 24}, {});
  const std::vector<Tensor> got = gradients(op, in, 5);
  const std::vector<double> dy = to_double(random_upstream({3000, 24}, 5)),
                            xhat = definition(in[0], Tensor::full({24}, 1), Tensor::zeros({24}));
  std::vector<double> dweight(24), dbias(24);
  for (std::size_t i = 0; i < dy.size(); ++i) dweight[i % 24] += dy[i] * xhat[i], dbias[i % 24] += dy[i];
  EXPECT_LE(relative_l2(to_double(got[1]), dweight), 1e-6);
  EXPECT_LE(relative_l2(to_double(got[2]), dbias), 1e-6);
}

TEST(LayerNormErrors, NameTheShapes) {
  EXPECT_ERROR(layer_norm(Tensor::zeros({2, 3}), Tensor::zeros({2}), Tensor::zeros({3})),
               "layer_norm: weight [2] and bias [3] for input [2,3]");
}

}  // namespace
}  // namespace md::test
