// Sums and products of maps of one shape: a + b, a * b, and x times a number.
#include "engine/autograd.h"
#include "engine/launch.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Sum {
  const float *a, *b;
  float* y;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = a[o * row + i] + b[o * row + i]; }
};

struct Product {
  const float *a, *b;
  float* y;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = a[o * row + i] * b[o * row + i]; }
};

struct Scaled {
  float factor;
  const float* x;
  float* y;
  i64 row;
  MD_HD void operator()(i64 o, i64 i) const { y[o * row + i] = factor * x[o * row + i]; }
};

Tensor product(const Tensor& a, const Tensor& b) {
  const Rows rows = pointwise_rows(a.shape());
  const Tensor y = Tensor::empty(a.shape(), a.device());
  launch(a.device(), rows.outer, rows.inner, Product{a.data(), b.data(), y.data(), rows.inner});
  return y;
}

Tensor scaled(const Tensor& x, float factor) {
  const Rows rows = pointwise_rows(x.shape());
  const Tensor y = Tensor::empty(x.shape(), x.device());
  launch(x.device(), rows.outer, rows.inner, Scaled{factor, x.data(), y.data(), rows.inner});
  return y;
}

}  // namespace

// y = a + b: da = dy, db = dy.
Tensor add(const Tensor& a, const Tensor& b) {
  require_same_shape("add", a, b);
  const Rows rows = pointwise_rows(a.shape());
  const Tensor y = Tensor::empty(a.shape(), a.device());
  launch(a.device(), rows.outer, rows.inner, Sum{a.data(), b.data(), y.data(), rows.inner});
  return record("add", y, {a, b}, [](const Tensor& dy, Needs) -> Grads { return {dy, dy}; });
}

// y = a b: da = dy b, db = dy a.
Tensor multiply(const Tensor& a, const Tensor& b) {
  require_same_shape("multiply", a, b);
  return record("multiply", product(a, b), {a, b}, [a = Saved(a), b = Saved(b)](const Tensor& dy, Needs needs) {
    return Grads{needs[0] ? product(dy, *b) : Tensor(), needs[1] ? product(dy, *a) : Tensor()};
  });
}

// y = k x: dx = k dy.
Tensor scale(const Tensor& x, float factor) {
  return record({"scale", factor}, scaled(x, factor), {x},
                [factor](const Tensor& dy, Needs) -> Grads { return {scaled(dy, factor)}; });
}

}  // namespace md
