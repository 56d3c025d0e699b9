// y[n,h,w,c] = x[n,h,w,c] * s[n,c], the gate of squeeze-and-excitation (PyTorch: x * s by broadcasting).
//   dx[n,h,w,c] = dy[n,h,w,c] * s[n,c]        ds[n,c] = sum over h,w of dy[n,h,w,c] * x[n,h,w,c]
// squeeze_excite has the gate follow from x: s = gate(m), m[n,c] = mean over h,w of x[n,h,w,c], and
//   dx[n,h,w,c] = dy[n,h,w,c] * s[n,c] + dm[n,c] / (HW)        dm: what the gate's backward makes of ds
#include <memory>
#include <utility>

#include "engine/autograd.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

template <class T>
struct Gate {
  const T *x, *s;  // [N*pixels,C], [N,C]
  T* y;
  i64 pixels, channels;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const i64 n = unravel(pixel, {kAnyExtent, pixels})[0];
    y[pixel * channels + c] = x[pixel * channels + c] * s[n * channels + c];
  }
};

Tensor gated(const Tensor& x, const Tensor& s) {
  const Tensor y = Tensor::empty(x.shape(), x.device(), x.dtype());
  const i64 pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  with_wide_storage({x, s, y}, {channels}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    launch(x.device(), x.dim(0) * pixels, channels / n,
           Gate<T>{elements<T>(x), elements<T>(s), elements<T>(y), pixels, channels / n});
  });
  return y;
}

// Where dx is dy's own memory, each element is read before it is written.
template <class T>
struct GateGradient {
  const T *dy, *s, *dm;  // [N*pixels,C], [N,C], [N,C]
  T* dx;
  i64 pixels, channels;
  float factor;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const i64 at = pixel * channels + c, gate = unravel(pixel, {kAnyExtent, pixels})[0] * channels + c;
    dx[at] = dy[at] * s[gate] + factor * dm[gate];
  }
};

void check(const char* op, const Tensor& x, const Tensor& s) {
  require_image(op, x);
  require_together(op, {x, s});
  const Shape wanted{x.dim(0), 1, 1, x.dim(3)};
  MD_CHECK(s.shape() == wanted, op, ": input ", x.shape(), " wants a gate ", wanted, ", not ", s.shape());
}

Tensor gate_gradient(const Tensor& dy, const Tensor& x) {
  const Tensor ds = Tensor::empty({x.dim(0), 1, 1, x.dim(3)}, dy.device());
  backend(dy.device()).reduce_sum(dy, x, dy.dim(0), dy.dim(1) * dy.dim(2), dy.dim(3), ds);
  return as_dtype(ds, x.dtype());
}

/// dx of a map that is multiplied by s and has the gradient dm of its mean.
void spread(const Tensor& dy, const Tensor& s, const Tensor& dm, const Tensor& dx) {
  const i64 pixels = dy.dim(1) * dy.dim(2), channels = dy.dim(3);
  with_wide_storage({dy, s, dm, dx}, {channels}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    launch(dy.device(), dy.dim(0) * pixels, channels / n,
           GateGradient<T>{elements<T>(dy), elements<T>(s), elements<T>(dm), elements<T>(dx), pixels, channels / n,
                           1.F / static_cast<float>(pixels)});
  });
}

}  // namespace

Tensor multiply_channels(const Tensor& x, const Tensor& s) {
  check("multiply_channels", x, s);
  return record("multiply_channels", gated(x, s), {x, s},
                [x = Saved(x), s = Saved(s)](const Tensor& dy, Needs needs) -> Grads {
                  const Tensor ds = needs[1] ? gate_gradient(dy, *x) : Tensor();
                  return {needs[0] ? gated(dy, *s) : Tensor(), ds};
                });
}

// Two ops on the tape with the gate's between them. The gradient of x is the sum of what both of them give; the
// product, whose backward comes first, leaves its factors to the mean's, which makes the sum in one pass, in dy's
// memory.
Tensor squeeze_excite(const Tensor& x, const std::function<Tensor(const Tensor& mean)>& gate) {
  require_image("squeeze_excite", x);
  struct Factors {
    Tensor dy, s;
  };
  const auto left = std::make_shared<Factors>();
  const Tensor mean = record("mean_over_pixels", mean_of_pixels(x), {x}, [left](const Tensor& dm, Needs) -> Grads {
    const auto [dy, s] = std::exchange(*left, {});
    const Tensor dx = in_place_of(dy);
    spread(dy, s, dm, dx);
    return {dx};
  });
  const Tensor s = gate(mean);
  check("squeeze_excite", x, s);
  MD_CHECK(s.requires_grad() || !mean.requires_grad(), "squeeze_excite: the gate does not follow from its argument");
  return record("multiply_channels", gated(x, s), {x, s},
                [left, x = Saved(x), s = Saved(s)](const Tensor& dy, Needs) -> Grads {
                  *left = {dy, *s};
                  return {{}, gate_gradient(dy, *x)};
                });
}

}  // namespace md
