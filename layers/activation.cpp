// Pointwise nonlinearities, as torch.nn.functional has them. Each is a curve: its value at x, and its slope as a
// function of the one tensor that the op keeps (the output where that is enough: the next layer keeps it anyway).
// At a kink the slope is PyTorch's choice. Comparisons are written so that NaN comes out as NaN.
#include <cmath>

#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Relu {
  static constexpr bool kKeepsOutput = true;
  MD_HD float value(float x) const { return x <= 0.F ? 0.F : x; }
  MD_HD float slope(float y) const { return y <= 0.F ? 0.F : 1.F; }
};

struct Relu6 {
  static constexpr bool kKeepsOutput = true;
  MD_HD float value(float x) const { return x <= 0.F ? 0.F : x >= 6.F ? 6.F : x; }
  MD_HD float slope(float y) const { return y <= 0.F || y >= 6.F ? 0.F : 1.F; }
};

struct LeakyRelu {
  static constexpr bool kKeepsOutput = true;  // y > 0 exactly where x > 0, because negative >= 0
  float negative;
  MD_HD float value(float x) const { return x > 0.F ? x : x * negative; }
  MD_HD float slope(float y) const { return y > 0.F ? 1.F : negative; }
};

// y = x (x + 3) / 6 between the kinks, so y' = x/3 + 1/2; from 0 to -1/2 at x = -3 and from 3/2 to 1 at x = 3.
struct Hardswish {
  static constexpr bool kKeepsOutput = false;
  MD_HD float value(float x) const { return x <= -3.F ? 0.F : x >= 3.F ? x : x * (x + 3.F) / 6.F; }
  MD_HD float slope(float x) const { return x <= -3.F ? 0.F : x >= 3.F ? 1.F : x / 3.F + 0.5F; }
};

struct Hardsigmoid {
  static constexpr bool kKeepsOutput = false;  // the rounding of (x + 3) / 6 could hide on which side of a kink x was
  MD_HD float value(float x) const { return x <= -3.F ? 0.F : x >= 3.F ? 1.F : (x + 3.F) / 6.F; }
  MD_HD float slope(float x) const { return x > -3.F && x < 3.F ? 1.F / 6.F : 0.F; }
};

struct Elu {
  static constexpr bool kKeepsOutput = true;  // below 0 the slope is e^x = y + 1
  MD_HD float value(float x) const { return x > 0.F ? x : expm1f(x); }
  MD_HD float slope(float y) const { return y > 0.F ? 1.F : y + 1.F; }
};

struct Sigmoid {
  static constexpr bool kKeepsOutput = true;
  MD_HD float value(float x) const { return 1.F / (1.F + expf(-x)); }  // expf overflows to inf: the limit 0 is right
  MD_HD float slope(float y) const { return (1.F - y) * y; }
};

template <class Curve>
struct Value {
  Curve curve;
  const float* x;
  float* y;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = curve.value(x[o * row + i]); }
};

template <class Curve>
struct Gradient {
  Curve curve;
  const float *dy, *kept;
  float* dx;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const {
    const i64 at = o * row + i;
    dx[at] = dy[at] * curve.slope(kept[at]);
  }
};

template <class Curve>
Tensor apply(const char* op, const Tensor& x, Curve curve) {
  const Rows rows = pointwise_rows(x.shape());
  const Tensor y = Tensor::empty(x.shape(), x.device());
  launch(x.device(), rows.outer, rows.inner, Value<Curve>{curve, x.data(), y.data(), rows.inner});
  const Tensor kept = Curve::kKeepsOutput ? y.detach() : x.detach();
  return record(op, y, {x}, [curve, kept, rows](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(dy.shape(), dy.device());
    const Gradient<Curve> gradient{curve, dy.data(), kept.data(), dx.data(), rows.inner};
    launch(dy.device(), rows.outer, rows.inner, gradient);
    return {dx};
  });
}

}  // namespace

Tensor relu(const Tensor& x) { return apply("relu", x, Relu{}); }
Tensor relu6(const Tensor& x) { return apply("relu6", x, Relu6{}); }
Tensor leaky_relu(const Tensor& x, float slope) {
  MD_CHECK(slope >= 0.F, "leaky_relu: slope ", slope, " is negative: the gradient is recovered from the output's sign");
  return apply("leaky_relu", x, LeakyRelu{slope});
}
Tensor elu(const Tensor& x) { return apply("elu", x, Elu{}); }

Tensor hardswish(const Tensor& x) { return apply("hardswish", x, Hardswish{}); }
Tensor hardsigmoid(const Tensor& x) { return apply("hardsigmoid", x, Hardsigmoid{}); }
Tensor sigmoid(const Tensor& x) { return apply("sigmoid", x, Sigmoid{}); }

}  // namespace md
