// The same numbers in another type (torch.Tensor.to(dtype)): from f32 to bf16 rounded to the nearest, from bf16 to f32
// exactly. The gradient goes back the other way, in the type that x has.
#include "engine/autograd.h"
#include "engine/bf16.h"
#include "engine/pointwise.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {

namespace {

struct Same {
  MD_HD float operator()(float x) const { return x; }
};

}  // namespace

Tensor as_dtype(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = Tensor::empty(x.shape(), x.device(), dtype);
  const Rows rows = pointwise_rows(x.shape());
  with_storage(x.dtype(), [&](auto from) {
    with_storage(dtype, [&](auto to) {
      pointwise(x.device(), rows.outer, rows.inner, Same{}, y.data<decltype(to)>(), x.data<decltype(from)>());
    });
  });
  return y;
}

// y = x: dx = dy.
Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return record({"cast", dtype}, as_dtype(x, dtype), {x},
                [from = x.dtype()](const Tensor& dy, Needs) -> Grads { return {as_dtype(dy, from)}; });
}

}  // namespace md
