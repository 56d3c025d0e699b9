// Sums and products of maps of one shape: a + b, a * b, and x times a number.
#include "engine/autograd.h"
#include "engine/bf16.h"
#include "engine/pointwise.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Sum {
  MD_HD float operator()(float a, float b) const { return a + b; }
};

struct Product {
  MD_HD float operator()(float a, float b) const { return a * b; }
};

struct Scaled {
  float factor;
  MD_HD float operator()(float x) const { return factor * x; }
};

template <class F>
Tensor of_both(const F& f, const Tensor& a, const Tensor& b) {
  const Rows rows = pointwise_rows(a.shape());
  const Tensor y = Tensor::empty(a.shape(), a.device(), a.dtype());
  with_storage(a.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(a.device(), rows.outer, rows.inner, f, y.data<T>(), a.data<T>(), b.data<T>());
  });
  return y;
}

Tensor scaled(const Tensor& x, float factor) {
  const Rows rows = pointwise_rows(x.shape());
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    pointwise(x.device(), rows.outer, rows.inner, Scaled{factor}, y.data<T>(), x.data<T>());
  });
  return y;
}

}  // namespace

// y = a + b: da = dy, db = dy.
Tensor add(const Tensor& a, const Tensor& b) {
  require_same_shape("add", a, b);
  return record("add", of_both(Sum{}, a, b), {a, b}, [](const Tensor& dy, Needs) -> Grads { return {dy, dy}; });
}

// y = a b: da = dy b, db = dy a.
Tensor multiply(const Tensor& a, const Tensor& b) {
  require_same_shape("multiply", a, b);
  return record("multiply", of_both(Product{}, a, b), {a, b},
                [a = Saved(a), b = Saved(b)](const Tensor& dy, Needs needs) {
                  return Grads{needs[0] ? of_both(Product{}, dy, *b) : Tensor(),
                               needs[1] ? of_both(Product{}, dy, *a) : Tensor()};
                });
}

// y = k x: dx = k dy.
Tensor scale(const Tensor& x, float factor) {
  return record({"scale", factor}, scaled(x, factor), {x},
                [factor](const Tensor& dy, Needs) -> Grads { return {scaled(dy, factor)}; });
}

}  // namespace md
