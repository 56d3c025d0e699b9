// Channels that become neighbouring pixels, and the way back: both only move values, so each one's gradient is the
// inverse move.
//   pixel_shuffle (torch.nn.functional):  y[n, h r + i, w r + j, c] = x[n, h, w, c r^2 + i r + j]
//   merge_patches (Swin's PatchMerging):  y[n, h, w, (2 j + i) C + c] = x[n, 2 h + i, 2 w + j, c],  i, j in {0,1}
// An odd side of merge_patches is continued by one row (column) of zeros.
#include "engine/autograd.h"
#include "engine/four.h"
#include "engine/launch.h"
#include "engine/unravel.h"
#include "layers/common.h"
#include "layers/ops.h"

namespace md {
namespace {

/// Between a wide map [N,H,W,C r^2] and a fine one [N,H r,W r,C].
struct Shuffle {
  i64 H, W, C, r;
  MD_HD i64 wide_at(i64 fine_pixel, i64 c) const {
    const auto [n, h, i, w, j] = unravel(fine_pixel, {kAnyExtent, H, r, W, r});
    return (((n * H + h) * W + w) * C + c) * r * r + i * r + j;
  }
};

template <bool kToFine, class T>
struct MoveShuffled {
  Shuffle shuffle;
  const T* from;
  T* to;
  MD_HD void operator()(i64 fine_pixel, i64 c) const {
    const i64 fine = fine_pixel * shuffle.C + c, wide = shuffle.wide_at(fine_pixel, c);
    if constexpr (kToFine) to[fine] = from[wide];
    if constexpr (!kToFine) to[wide] = from[fine];
  }
};

/// Where r is 2, on a GPU: a channel of four fine pixels is one element of the wide map, and neighbouring calls move
/// neighbouring channels on both sides.
template <bool kToFine, class T>
struct MoveQuads {
  Shuffle shuffle;
  const std::conditional_t<kToFine, T, NumberOf<T>>* from;
  std::conditional_t<kToFine, NumberOf<T>, T>* to;
  MD_HD void operator()(i64 wide_pixel, i64 c) const {
    const auto [n, h, w] = unravel(wide_pixel, {kAnyExtent, shuffle.H, shuffle.W});
    T quad{};
    if constexpr (kToFine) quad = from[wide_pixel * shuffle.C + c];
    for (i64 i = 0; i < 2; ++i) {
      for (i64 j = 0; j < 2; ++j) {
        const i64 fine = (((n * shuffle.H + h) * 2 + i) * 2 * shuffle.W + 2 * w + j) * shuffle.C + c;
        if constexpr (kToFine) to[fine] = quad.of[2 * i + j];
        if constexpr (!kToFine) quad.of[2 * i + j] = from[fine];
      }
    }
    if constexpr (!kToFine) to[wide_pixel * shuffle.C + c] = quad;
  }
};

/// Between a wide map and a fine one, whichever way.
template <bool kToFine>
void shuffle_pixels(const Shuffle& shuffle, const Tensor& from, const Tensor& to) {
  const Tensor& wide = kToFine ? from : to;
  const i64 pixels = from.numel() / shuffle.C;
  with_wide_storage({from, to}, {wide.dim(3)}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    using Number = NumberOf<T>;
    if constexpr (kIsFour<T>) {
      using From = std::conditional_t<kToFine, T, Number>;
      using To = std::conditional_t<kToFine, Number, T>;
      if (shuffle.r == 2)
        return launch(from.device(), pixels / n, shuffle.C,
                      MoveQuads<kToFine, T>{shuffle, elements<From>(from), elements<To>(to)});
    }
    launch(from.device(), pixels, shuffle.C,
           MoveShuffled<kToFine, Number>{shuffle, from.data<Number>(), to.data<Number>()});
  });
}

/// A map [N,H,W,C] and its patches [N,h,w,4C], h and w rounded up.
struct Patches {
  i64 H, W, C, h, w;
  /// Where n channels are one element.
  Patches of(i64 n) const { return {H, W, C / n, h, w}; }
};

template <class T>
struct Merge {
  Patches p;
  const T* map;
  T* patches;
  MD_HD void operator()(i64 patch, i64 k) const {
    const auto [n, h, w] = unravel(patch, {kAnyExtent, p.h, p.w});
    const auto [j, i, c] = unravel(k, {2, 2, p.C});
    const i64 y = 2 * h + i, x = 2 * w + j;
    const bool inside = y < p.H && x < p.W;
    patches[patch * 4 * p.C + k] = inside ? map[((n * p.H + y) * p.W + x) * p.C + c] : T(0.F);
  }
};

template <class T>
struct Split {
  Patches p;
  const T* patches;
  T* map;
  MD_HD void operator()(i64 pixel, i64 c) const {
    const auto [n, y, x] = unravel(pixel, {kAnyExtent, p.H, p.W});
    const i64 patch = (n * p.h + y / 2) * p.w + x / 2, quarter = x % 2 * 2 + y % 2;
    map[pixel * p.C + c] = patches[(patch * 4 + quarter) * p.C + c];
  }
};

}  // namespace

Tensor pixel_shuffle(const Tensor& x, i64 r) {
  require_image("pixel_shuffle", x);
  MD_CHECK(r > 0 && x.dim(3) % (r * r) == 0, "pixel_shuffle: input ", x.shape(), " has no multiple of ", r * r,
           " channels");
  const Shuffle shuffle{x.dim(1), x.dim(2), x.dim(3) / (r * r), r};
  const Tensor y = Tensor::empty({x.dim(0), shuffle.H * r, shuffle.W * r, shuffle.C}, x.device(), x.dtype());
  shuffle_pixels<true>(shuffle, x, y);
  // y is x in another order: dx is dy in the order back.
  return record("pixel_shuffle", y, {x}, [shuffle, shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(shape, dy.device(), dy.dtype());
    shuffle_pixels<false>(shuffle, dy, dx);
    return {dx};
  });
}

Tensor merge_patches(const Tensor& x) {
  require_image("merge_patches", x);
  const i64 N = x.dim(0);
  const Patches p{x.dim(1), x.dim(2), x.dim(3), (x.dim(1) + 1) / 2, (x.dim(2) + 1) / 2};
  const Tensor y = Tensor::empty({N, p.h, p.w, 4 * p.C}, x.device(), x.dtype());
  with_wide_storage({x, y}, {p.C}, [&](auto storage, i64 n) {
    using T = decltype(storage);
    launch(x.device(), N * p.h * p.w, 4 * p.C / n, Merge<T>{p.of(n), elements<T>(x), elements<T>(y)});
  });
  // y is x in another order, with zeros beyond the edge: dx is dy in the order back, what came from the zeros left out.
  return record("merge_patches", y, {x}, [p, N](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty({N, p.H, p.W, p.C}, dy.device(), dy.dtype());
    with_wide_storage({dy, dx}, {p.C}, [&](auto storage, i64 n) {
      using T = decltype(storage);
      launch(dy.device(), N * p.H * p.W, p.C / n, Split<T>{p.of(n), elements<T>(dy), elements<T>(dx)});
    });
    return {dx};
  });
}

}  // namespace md
