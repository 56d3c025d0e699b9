// Nearest upsampling by two, a 3x3 convolution (pad 1, no bias) and an activation, as one convolution on the small map.
// A pixel
// of the enlarged map's window is one of only 2x2 pixels of the small map, and which window taps fall together depends
// on the parity (a,b) of the output pixel alone. Along rows, with x the small map and z the enlarged one, z[k] =
// x[k/2]:
//   y[2i]   = w0 z[2i-1] + w1 z[2i]   + w2 z[2i+1] =  w0       x[i-1] + (w1 + w2) x[i]
//   y[2i+1] = w0 z[2i]   + w1 z[2i+1] + w2 z[2i+2] = (w0 + w1) x[i]   +  w2       x[i+1]
// so tap k belongs to sum p(a,k) = (a + k) / 2 rounded up, less a. With the four parities as output channels,
//   fold:       v[(a,b,o),p,q,i] = sum of w[o,ky,kx,i] over the ky,kx with p(a,ky) = p, p(b,kx) = q
//   conv2d:     z [N,H+1,W+1,4O], 2x2 windows, pad 1: z[i] sees x[i-1] and x[i]
//   interleave: y[n,2i+a,2j+b,o] = z[n,i+a,j+b,(a,b,o)]
// takes 16 multiplications where 36 were. Each of the three is linear; the gradients are those of conv2d between the
// two transposed copies. The activation is the convolution's: it does not care where its numbers stand.
#include "engine/autograd.h"
#include "engine/curves.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/fused.h"
#include "layers/ops.h"

namespace md {
namespace {

const Conv2dSpec kSmall{.pad = 1};

/// Which of the two sums along an axis tap k belongs to, at parity a.
MD_HD inline i64 sum_of_tap(i64 a, i64 k) { return (a + k + 1) / 2 - a; }

struct Fold {
  const float* w;  // [O,3,3,I]
  float* v;        // [4O,2,2,I], the channels as (a,b,o)
  i64 O, I;
  MD_HD void operator()(i64 row, i64 i) const {
    const auto [a, b, o, p, q] = unravel(row, {2, 2, O, 2, 2});
    float sum = 0.F;
    for (i64 tap = 0; tap < 9; ++tap) {
      if (sum_of_tap(a, tap / 3) == p && sum_of_tap(b, tap % 3) == q) sum += w[(o * 9 + tap) * I + i];
    }
    v[row * I + i] = sum;
  }
};

struct Unfold {
  const float* dv;
  float* dw;
  i64 O, I;
  MD_HD void operator()(i64 row, i64 i) const {
    const auto [o, ky, kx] = unravel(row, {O, 3, 3});
    float sum = 0.F;
    for (i64 a = 0; a < 2; ++a) {
      for (i64 b = 0; b < 2; ++b) {
        sum += dv[(((a * 2 + b) * O + o) * 4 + sum_of_tap(a, ky) * 2 + sum_of_tap(b, kx)) * I + i];
      }
    }
    dw[row * I + i] = sum;
  }
};

/// How the pixels of z [N,H+1,W+1,4O] and of y [N,2H,2W,O] lie in each other.
struct Interleaving {
  i64 H, W, O;
  /// Where Four is one element.
  Interleaving of(i64 n) const { return {H, W, O / n}; }
  MD_HD i64 in_z(i64 pixel, i64 o) const {
    const auto [n, i, a, j, b] = unravel(pixel, {kAnyExtent, H, 2, W, 2});
    const i64 from = (n * (H + 1) + i + a) * (W + 1) + j + b;
    return (from * 4 + a * 2 + b) * O + o;
  }
  /// Of a place in z, which counts its pixels' parities too; -1 where none of y's pixels is made of it.
  MD_HD i64 in_y(i64 at, i64 o) const {
    const auto [n, row, column, a, b] = unravel(at, {kAnyExtent, H + 1, W + 1, 2, 2});
    const i64 i = row - a, j = column - b;
    const bool inside = i >= 0 && i < H && j >= 0 && j < W;
    return inside ? ((n * 2 * H + 2 * i + a) * 2 * W + 2 * j + b) * O + o : -1;
  }
};

template <class T>
struct Interleave {
  Interleaving places;
  const T* z;
  T* y;
  MD_HD void operator()(i64 pixel, i64 o) const { y[pixel * places.O + o] = z[places.in_z(pixel, o)]; }
};

template <class T>
struct Deinterleave {
  Interleaving places;
  const T* dy;
  T* dz;
  MD_HD void operator()(i64 at, i64 o) const {
    const i64 from = places.in_y(at, o);
    dz[at * places.O + o] = from >= 0 ? dy[from] : T(0.F);
  }
};

// On a GPU elu goes along with the moves: its convolutions have no kernel that takes it, and would want a pass of its
// own for it. y = elu(z), and dz from dy and y.
template <class T>
struct InterleaveElu {
  Interleaving places;
  const T* z;
  T* y;
  MD_HD void operator()(i64 pixel, i64 o) const {
    y[pixel * places.O + o] = each([](float v) { return Elu::value(v); }, z[places.in_z(pixel, o)]);
  }
};

template <class T>
struct DeinterleaveElu {
  Interleaving places;
  const T *dy, *y;
  T* dz;
  MD_HD void operator()(i64 at, i64 o) const {
    const i64 from = places.in_y(at, o);
    const auto gradient = [](float d, float v) { return d * Elu::slope(v); };
    dz[at * places.O + o] = from >= 0 ? each(gradient, dy[from], y[from]) : SumOf<T>(0.F);
  }
};

bool moves_activate(const Tensor& x, const Activation& act) {
  return x.device().kind != Device::cpu && act.kind == Act::elu;
}

/// y [N,2H,2W,O] from z.
void interleave(const Interleaving& places, bool elu, const Tensor& z, const Tensor& y) {
  with_wide_storage({z, y}, {places.O}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    const i64 pixels = y.numel() / places.O, channels = places.O / n;
    if (elu)
      return launch(y.device(), pixels, channels, InterleaveElu<T>{places.of(n), elements<T>(z), elements<T>(y)});
    launch(y.device(), pixels, channels, Interleave<T>{places.of(n), elements<T>(z), elements<T>(y)});
  });
}

/// dz [N,H+1,W+1,4O], behind y = act(z), in the dtype of x.
Tensor deinterleave(const Interleaving& places, const Activation& act, const Tensor& y, const Tensor& dy, DType of_x) {
  const bool elu = moves_activate(dy, act);
  const Tensor from = elu ? dy : as_dtype(before_activation(act, y, dy), of_x);
  const Tensor dz = Tensor::empty({dy.dim(0), places.H + 1, places.W + 1, 4 * places.O}, dy.device(), of_x);
  with_wide_storage({from, dz, elu ? y : dz}, {places.O}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    const i64 rows = dz.numel() / places.O, channels = places.O / n;
    if (elu) {
      return launch(dy.device(), rows, channels,
                    DeinterleaveElu<T>{places.of(n), elements<T>(from), elements<T>(y), elements<T>(dz)});
    }
    launch(dy.device(), rows, channels, Deinterleave<T>{places.of(n), elements<T>(from), elements<T>(dz)});
  });
  return dz;
}

}  // namespace

Tensor fold_upsampling(const Tensor& w) {
  const i64 O = w.dim(0), I = w.dim(3);
  const Tensor v = Tensor::empty({4 * O, 2, 2, I}, w.device());
  launch(w.device(), 16 * O, I, Fold{w.data(), v.data(), O, I});
  return v;
}

Tensor upsample_conv2d(const Tensor& x, const Tensor& w, const Activation& act, const Tensor& folded) {
  require_image("upsample_conv2d", x);
  require_together("upsample_conv2d", {x}, {w});
  const i64 N = x.dim(0), H = x.dim(1), W = x.dim(2), I = x.dim(3), O = w.shape().rank() == 4 ? w.dim(0) : 0;
  MD_CHECK(w.shape() == Shape({O, 3, 3, I}) && O > 0, "upsample_conv2d: input ", x.shape(), " wants a weight [O,3,3,",
           I, "], not ", w.shape());
  if (recording({&x, &w}) && !fuses_for_training(act)) return activate(upsample_conv2d(x, w), act);
  const DType dtype = map_dtype(x.device().precision, O);
  if (dtype == DType::bf16 && x.dtype() == DType::f32) return upsample_conv2d(cast(x, dtype), w, act, folded);
  const Tensor z = Tensor::empty({N, H + 1, W + 1, 4 * O}, x.device(), dtype);
  const bool elu = moves_activate(x, act);
  Conv2dSpec small = kSmall;
  if (!elu) small.act = act;
  backend(x.device()).conv2d(small, x, folded ? folded : fold_upsampling(w), {}, z);
  const Tensor y = Tensor::empty({N, 2 * H, 2 * W, O}, x.device(), dtype);
  const Interleaving places{H, W, O};
  interleave(places, elu, z, y);
  const Saved kept_y(act.kind == Act::none ? Tensor() : y);
  return record({"upsample_conv2d", act}, y, {x, w},
                [places, I, O, act, of_x = x.dtype(), x = Saved(x), w = Saved(w), kept_y](const Tensor& dy,
                                                                                          Needs needs) -> Grads {
                  Backend& b = backend(dy.device());
                  const Tensor dz = deinterleave(places, act, *kept_y, dy, of_x);
                  Tensor dx, dw;
                  if (needs[0]) {
                    dx = Tensor::empty(x.shape(), dy.device(), of_x);
                    b.conv2d_dx(kSmall, dz, fold_upsampling(*w), dx);
                  }
                  if (needs[1]) {
                    const Tensor dv = Tensor::empty({4 * O, 2, 2, I}, dy.device());
                    b.conv2d_dw(kSmall, dz, *x, dv, {});
                    dw = Tensor::empty(w.shape(), dy.device());
                    launch(dy.device(), 9 * O, I, Unfold{dv.data(), dw.data(), O, I});
                  }
                  return {dx, dw};
                });
}

}  // namespace md
