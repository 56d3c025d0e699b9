// Pointwise nonlinearities, as torch.nn.functional has them. Each is a curve: its value at x, and its slope as a
// function of the one tensor that the op keeps (the output where that is enough: the next layer keeps it anyway).
// At a kink the slope is PyTorch's choice. Comparisons are written so that NaN comes out as NaN.
#include <bit>
#include <cmath>
#include <cstdint>

#include "engine/autograd.h"
#include "engine/bf16.h"
#include "engine/curves.h"
#include "engine/pointwise.h"
#include "layers/common.h"
#include "layers/fused.h"
#include "layers/ops.h"

namespace md {
namespace {

struct KeptRelu : Relu {
  static constexpr bool kKeepsOutput = true;
};

struct Relu6 {
  static constexpr bool kKeepsOutput = true;
  MD_HD float value(float x) const { return x <= 0.F ? 0.F : x >= 6.F ? 6.F : x; }
  MD_HD float slope(float y) const { return y <= 0.F || y >= 6.F ? 0.F : 1.F; }
};

struct KeptLeakyRelu : LeakyRelu {
  static constexpr bool kKeepsOutput = true;
};

struct KeptHardswish : Hardswish {
  static constexpr bool kKeepsOutput = false;
};

struct KeptHardsigmoid : Hardsigmoid {
  static constexpr bool kKeepsOutput = false;
};

struct KeptElu : Elu {
  static constexpr bool kKeepsOutput = true;
};

struct KeptSigmoid : Sigmoid {
  static constexpr bool kKeepsOutput = true;
};

// y = x Phi(x), y' = Phi(x) + x phi(x), with the normal distribution's function Phi and density phi. Both come out of
// one exponential, because Phi(-a) is phi(a) times a smooth function of a >= 0: a polynomial in 1/(1 + 0.28 a), fitted
// here so that x Phi(x) is off by at most 7.2e-9. Plain arithmetic: a call of erff would keep the loop from
// vectorising.
struct Gelu {
  static constexpr bool kKeepsOutput = false;
  struct Normal {
    float density, below;  // phi(x), Phi(x)
  };
  MD_HD static Normal normal(float x) {
    const float a = fabsf(x);
#ifdef __CUDA_ARCH__  // a few roundings of the last digit, for a third of the instructions
    const float e = __expf(-0.5F * a * a), t = __fdividef(1.F, 1.F + 0.28F * a);
#else
    const float e = exponential_of_negative(-0.5F * a * a).value(), t = 1.F / (1.F + 0.28F * a);
#endif
    const float p =
        ((((-0.10675753710F * t + 0.39382029853F) * t - 0.24351381206F) * t + 0.27426105003F) * t + 0.06531640361F) *
            t +
        0.11687358299F;
    const float tail = e * t * p;
    return {0.39894228040F * e, x < 0.F ? tail : 1.F - tail};  // 1/sqrt(2 pi)
  }
  MD_HD float value(float x) const { return x * normal(x).below; }
  MD_HD float slope(float x) const {
    const Normal n = normal(x);
    return n.below + x * n.density;
  }
};

template <class Curve>
struct Value {
  Curve curve;
  MD_HD float operator()(float x) const { return curve.value(x); }
};

template <class Curve>
struct Gradient {
  Curve curve;
  MD_HD float operator()(float dy, float kept) const { return dy * curve.slope(kept); }
};

/// dx = dy f'(x), from what the curve keeps: x, or y = f(x).
template <class Curve>
Tensor gradient(Curve curve, const Tensor& kept, const Tensor& dy) {
  const Rows rows = pointwise_rows(dy.shape());
  const Tensor dx = in_place_of(dy);
  with_storage(dy.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(dy.device(), rows.outer, rows.inner, Gradient<Curve>{curve}, dx.data<T>(), dy.data<T>(), kept.data<T>());
  });
  return dx;
}

/// y = f(x), element by element.
template <class Curve>
Tensor apply(const char* op, const Tensor& x, Curve curve) {
  const Rows rows = pointwise_rows(x.shape());
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(x.device(), rows.outer, rows.inner, Value<Curve>{curve}, y.data<T>(), x.data<T>());
  });
  return record(op, y, {x}, [curve, kept = Saved(Curve::kKeepsOutput ? y : x)](const Tensor& dy, Needs) -> Grads {
    return {gradient(curve, *kept, dy)};
  });
}

}  // namespace

Tensor relu(const Tensor& x) { return apply("relu", x, KeptRelu{}); }
Tensor relu6(const Tensor& x) { return apply("relu6", x, Relu6{}); }
Tensor leaky_relu(const Tensor& x, float slope) {
  MD_CHECK(slope >= 0.F, "leaky_relu: slope ", slope, " is negative: the gradient is recovered from the output's sign");
  return apply("leaky_relu", x, KeptLeakyRelu{{slope}});
}
Tensor elu(const Tensor& x) { return apply("elu", x, KeptElu{}); }

Tensor hardswish(const Tensor& x) { return apply("hardswish", x, KeptHardswish{}); }
Tensor hardsigmoid(const Tensor& x) { return apply("hardsigmoid", x, KeptHardsigmoid{}); }
Tensor sigmoid(const Tensor& x) { return apply("sigmoid", x, KeptSigmoid{}); }
Tensor gelu(const Tensor& x) { return apply("gelu", x, Gelu{}); }

Tensor activate(const Tensor& x, const Activation& act) {
  switch (act.kind) {
    case Act::none:
      return x;
    case Act::relu:
      return relu(x);
    case Act::hardswish:
      return hardswish(x);
    case Act::leaky_relu:
      return leaky_relu(x, act.slope);
    case Act::elu:
      return elu(x);
    case Act::sigmoid:
      return sigmoid(x);
    case Act::hardsigmoid:
      return hardsigmoid(x);
  }
  fail(ErrorKind::contract, "activate: no such activation");
}

bool fuses_for_training(const Activation& act) {
  return act.kind == Act::none || act.kind == Act::leaky_relu || act.kind == Act::elu || act.kind == Act::sigmoid;
}

Tensor before_activation(const Activation& act, const Tensor& y, const Tensor& dy) {
  switch (act.kind) {
    case Act::none:
      return dy;
    case Act::leaky_relu:
      return gradient(KeptLeakyRelu{{act.slope}}, y, dy);
    case Act::elu:
      return gradient(KeptElu{}, y, dy);
    case Act::sigmoid:
      return gradient(KeptSigmoid{}, y, dy);
    default:
      fail(ErrorKind::contract, "before_activation: ", name_of(act.kind), " cannot be told from its output");
  }
}

}  // namespace md
