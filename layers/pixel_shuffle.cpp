// Channels that become neighbouring pixels, and the way back: both only move values, so each one's gradient is the
// inverse move.
//   pixel_shuffle (torch.nn.functional):  y[n, h r + i, w r + j, c] = x[n, h, w, c r^2 + i r + j]
//   merge_patches (Swin's PatchMerging):  y[n, h, w, (2 j + i) C + c] = x[n, 2 h + i, 2 w + j, c],  i, j in {0,1}
// An odd side of merge_patches is continued by one row (column) of zeros.
#include "engine/autograd.h"
#include "engine/bf16.h"
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

/// A map [N,H,W,C] and its patches [N,h,w,4C], h and w rounded up.
struct Patches {
  i64 H, W, C, h, w;
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
  const i64 pixels = y.numel() / shuffle.C;
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    launch(x.device(), pixels, shuffle.C, MoveShuffled<true, T>{shuffle, x.data<T>(), y.data<T>()});
  });
  // y is x in another order: dx is dy in the order back.
  return record("pixel_shuffle", y, {x}, [pixels, shuffle, shape = x.shape()](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty(shape, dy.device(), dy.dtype());
    with_storage(dy.dtype(), [&](auto storage) {
      using T = decltype(storage);
      launch(dy.device(), pixels, shuffle.C, MoveShuffled<false, T>{shuffle, dy.data<T>(), dx.data<T>()});
    });
    return {dx};
  });
}

Tensor merge_patches(const Tensor& x) {
  require_image("merge_patches", x);
  const i64 N = x.dim(0);
  const Patches p{x.dim(1), x.dim(2), x.dim(3), (x.dim(1) + 1) / 2, (x.dim(2) + 1) / 2};
  const Tensor y = Tensor::empty({N, p.h, p.w, 4 * p.C}, x.device(), x.dtype());
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    launch(x.device(), N * p.h * p.w, 4 * p.C, Merge<T>{p, x.data<T>(), y.data<T>()});
  });
  // y is x in another order, with zeros beyond the edge: dx is dy in the order back, what came from the zeros left out.
  return record("merge_patches", y, {x}, [p, N](const Tensor& dy, Needs) -> Grads {
    const Tensor dx = Tensor::empty({N, p.H, p.W, p.C}, dy.device(), dy.dtype());
    with_storage(dy.dtype(), [&](auto storage) {
      using T = decltype(storage);
      launch(dy.device(), N * p.H * p.W, p.C, Split<T>{p, dy.data<T>(), dx.data<T>()});
    });
    return {dx};
  });
}

}  // namespace md
