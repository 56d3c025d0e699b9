// torch.nn.functional.max_pool2d: the largest value of each window, outside the image there is none.
//   y[n,oy,ox,c] = max over ky,kx of x[n,iy,ix,c],   iy = oy*stride - pad + ky,  ix = ox*stride - pad + kx
// The gradient goes to the pixel that won, which the op remembers as its place in the window, ky*kernel + kx:
//   dx[n,iy,ix,c] = sum of dy[n,oy,ox,c] over the windows that (iy,ix) won
#include "engine/autograd.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

struct Geometry {
  i64 H, W, C, OH, OW, kernel, stride, pad;
  /// Where n channels are one element.
  Geometry of(i64 n) const { return {H, W, C / n, OH, OW, kernel, stride, pad}; }
};

/// A call takes kAtOnce neighbouring channels: on a CPU a register's worth or two, so that each comparison is a
/// vector's.
template <class T, i64 kAtOnce>
struct Largest {
  Geometry g;
  const T* x;           // [N,H,W,C]
  T* y;                 // [N,OH,OW,C]
  std::uint8_t* place;  // [N,OH,OW,C]
  MD_HD void operator()(i64 pixel, i64 block) const {
    const auto [n, oy, ox] = unravel(pixel, {kAnyExtent, g.OH, g.OW});
    const i64 top = oy * g.stride - g.pad, left = ox * g.stride - g.pad, c = block * kAtOnce;
    const i64 count = g.C - c < kAtOnce ? g.C - c : kAtOnce, to = pixel * g.C + c;
    float best[kAtOnce] = {};
    int won[kAtOnce];
    for (i64 i = 0; i < kAtOnce; ++i) won[i] = -1;
    for (i64 ky = 0; ky < g.kernel; ++ky) {
      for (i64 kx = 0; kx < g.kernel; ++kx) {
        const i64 iy = top + ky, ix = left + kx;
        if (iy < 0 || iy >= g.H || ix < 0 || ix >= g.W) continue;
        const T* from = x + ((n * g.H + iy) * g.W + ix) * g.C + c;
        const int here = static_cast<int>(ky * g.kernel + kx);
        for (i64 i = 0; i < count; ++i) {
          const float v = from[i];
          const bool wins = won[i] < 0 || v > best[i] || v != v;  // NaN wins
          best[i] = wins ? v : best[i];
          won[i] = wins ? here : won[i];
        }
      }
    }
    for (i64 i = 0; i < count; ++i) y[to + i] = best[i];
    for (i64 i = 0; i < count; ++i) place[to + i] = static_cast<std::uint8_t>(won[i]);
  }
};

/// The places of the winners of four neighbouring channels.
struct alignas(4) FourPlaces {
  std::uint8_t of[4];
};
template <class T>
using PlaceOf = std::conditional_t<kIsFour<T>, FourPlaces, std::uint8_t>;

/// dy where the winner's place is this one, else 0.
MD_HD inline float won(std::uint8_t place, i64 here, float dy) { return place == here ? dy : 0.F; }
MD_HD inline Four won(const FourPlaces& place, i64 here, Four dy) {
  for (int i = 0; i < 4; ++i) dy.of[i] = won(place.of[i], here, dy.of[i]);
  return dy;
}

template <class T>
struct ToTheWinner {
  Geometry g;
  const T* dy;
  const PlaceOf<T>* place;
  T* dx;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const auto [n, row, column] = unravel(pixel, {kAnyExtent, g.H, g.W});
    const i64 iy = row + g.pad, ix = column + g.pad;  // counted from the padded corner
    const i64 first_window = n * g.OH * g.OW;
    SumOf<T> sum(0.F);
    for (i64 oy = first(iy); oy < g.OH && oy * g.stride <= iy; ++oy) {
      for (i64 ox = first(ix); ox < g.OW && ox * g.stride <= ix; ++ox) {
        const i64 at = (first_window + oy * g.OW + ox) * g.C + c;
        sum = sum + won(place[at], (iy - oy * g.stride) * g.kernel + ix - ox * g.stride, dy[at]);
      }
    }
    dx[pixel * g.C + c] = sum;
  }
  /// The first window that reaches a row (or column) of the padded image.
  MD_HD i64 first(i64 row) const { return row < g.kernel ? 0 : (row - g.kernel) / g.stride + 1; }
};

Geometry geometry(const Tensor& x, const PoolSpec& s) {
  require_image("max_pool", x);
  // Padding of more than half a window would leave windows without a pixel; 15 x 15 places fit a byte.
  MD_CHECK(s.kernel > 0 && s.kernel < 16 && s.stride > 0 && s.pad >= 0 && 2 * s.pad <= s.kernel, "max_pool: kernel ",
           s.kernel, ", stride ", s.stride, ", pad ", s.pad);
  const auto extent = [&](i64 in) { return (in + 2 * s.pad - s.kernel) / s.stride + 1; };
  MD_CHECK(std::min(x.dim(1), x.dim(2)) + 2 * s.pad >= s.kernel, "max_pool: input ", x.shape(),
           " is smaller than the window of ", s.kernel);
  return {x.dim(1), x.dim(2), x.dim(3), extent(x.dim(1)), extent(x.dim(2)), s.kernel, s.stride, s.pad};
}

}  // namespace

// y = x at the winner of each window, so dx is the sum of dy over the windows that a pixel won.
Tensor max_pool(const Tensor& x, const PoolSpec& spec) {
  const Geometry g = geometry(x, spec);
  const Shape out{x.dim(0), g.OH, g.OW, g.C};
  const Tensor y = Tensor::empty(out, x.device(), x.dtype()), place = Tensor::empty(out, x.device(), DType::u8);
  const i64 pixels = y.numel() / g.C;
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    if (x.device().kind == Device::cpu) {
      constexpr i64 kAtOnce = 32;
      launch(x.device(), pixels, (g.C + kAtOnce - 1) / kAtOnce,
             Largest<T, kAtOnce>{g, x.data<T>(), y.data<T>(), place.data<std::uint8_t>()});
    } else {
      launch(x.device(), pixels, g.C, Largest<T, 1>{g, x.data<T>(), y.data<T>(), place.data<std::uint8_t>()});
    }
  });
  return record({"max_pool", spec}, y, {x}, [g, place, shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(shape, dy.device(), dy.dtype());
    with_wide_storage({dy, dx}, {g.C}, [&](auto storage, i64 n) {
      using T = decltype(storage);
      launch(dy.device(), dx.numel() / g.C, g.C / n,
             ToTheWinner<T>{g.of(n), elements<T>(dy), static_cast<const PlaceOf<T>*>(place.raw()), elements<T>(dx)});
    });
    return {dx};
  });
}

}  // namespace md
