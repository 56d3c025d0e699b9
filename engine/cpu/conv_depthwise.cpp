// Forward and data gradient are one walk. Per channel, with s the stride and u = k * dilation - pad:
//   y[oy,ox]  = sum over taps of w[ky,kx] x[oy s + u(ky), ox s + u(kx)]
//   dx[iy,ix] = sum over taps of w[ky,kx] dz[(iy - u(ky)) / s, (ix - u(kx)) / s], where both divide
// A target row is made in phases: every `phases`-th pixel from one on reads the same taps, each from pixels of a source
// row that are `step` apart. Forward there is one phase and step s; backward there are s phases and step 1. A register
// of channels at a time; sums are f32 and weights are not rounded.
#include "engine/cpu/conv_depthwise.h"

#include "engine/cpu/activate.h"
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {
namespace {

/// One weight of the window, and where target pixel 0 of a phase finds its factor.
struct Tap {
  const float* w;   // [C]
  const bf16* row;  // of the source, [W,C]
  i64 column;       // may lie outside
};

struct Walk {
  bool backward;
  Conv2dSpec spec;
  i64 N, H, W, C, target_H, target_W, kh, kw;  // of the source, of the target, of the window
  const bf16* source;
  const float* w;

  /// Taps come by rows of the window, each pixel reading columns next to one another, and the next pixel the next ones.
  bool dense() const { return spec.stride.w == 1 && spec.dilation.w == 1; }
  i64 phases() const { return backward ? spec.stride.w : 1; }
  i64 step() const { return backward ? 1 : spec.stride.w; }

  /// The taps of pixels phase, phase + phases(), ... of a target row; how many they are.
  int taps(i64 row, i64 phase, Tap* to) const {
    const i64 n = row / target_H, at = row % target_H;
    int count = 0;
    for (i64 ky = 0; ky < kh; ++ky) {
      i64 y = 0;
      if (!source_of(at, ky * spec.dilation.h - spec.pad.h, spec.stride.h, y) || y < 0 || y >= H) continue;
      for (i64 kx = 0; kx < kw; ++kx) {
        i64 x = 0;
        if (!source_of(phase, kx * spec.dilation.w - spec.pad.w, spec.stride.w, x)) continue;
        to[count++] = {w + (ky * kw + kx) * C, source + (n * H + y) * W * C, x};
      }
    }
    return count;
  }

 private:
  /// Where the pixel `at` of an axis reads the source with the tap of this shift; false: nowhere.
  bool source_of(i64 at, i64 shift, i64 stride, i64& from) const {
    if (backward && (at - shift) % stride != 0) return false;
    from = backward ? (at - shift) / stride : at * stride + shift;
    return true;
  }
};

/// The sums of kCount target pixels of a phase from the j-th on, at channels [c, c + lanes). kEdge: taps may lie
/// outside.
template <int kCount, bool kEdge>
[[gnu::always_inline]] inline void add_taps(const Walk& walk, const Tap* taps, int count, i64 j, i64 c, i64 lanes,
                                            Vec (&sum)[kCount]) {
  for (int t = 0; t < count; ++t) {
    const i64 column = taps[t].column + j * walk.step();
    if (kEdge && (column < 0 || column >= walk.W)) continue;
    const Vec weight = load_lanes(taps[t].w + c, lanes);
    const bf16* const from = taps[t].row + column * walk.C + c;
#pragma GCC unroll 8
    for (int o = 0; o < kCount; ++o) sum[o] += weight * load_lanes(from + o * walk.step() * walk.C, lanes);
  }
}

/// The same of a dense walk inside the image: what several pixels read is loaded, and widened, once.
template <int kCount, int kTaps>
[[gnu::always_inline]] inline void add_rows(const Walk& walk, const Tap* taps, int count, i64 j, i64 c, i64 lanes,
                                            Vec (&sum)[kCount]) {
  for (int t = 0; t < count; t += kTaps) {
    Vec weight[kTaps];  // by columns, which the data gradient has from right to left
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k) weight[walk.backward ? kTaps - 1 - k : k] = load_lanes(taps[t + k].w + c, lanes);
    const Tap& left = taps[walk.backward ? t + kTaps - 1 : t];
    const bf16* const from = left.row + (left.column + j) * walk.C + c;
#pragma GCC unroll 16
    for (int u = 0; u < kCount + kTaps - 1; ++u) {
      const Vec in = load_lanes(from + u * walk.C, lanes);
#pragma GCC unroll 8
      for (int o = 0; o < kCount; ++o) {
        if (const int k = u - o; k >= 0 && k < kTaps) sum[o] += weight[k] * in;
      }
    }
  }
}

/// Target pixels [begin, end) of a phase, counted in it, all channels: finish(j, c, lanes, sums) takes kCount of them.
template <int kCount, bool kEdge, class Finish>
void span(const Walk& walk, const Tap* taps, int count, i64 begin, i64 end, const Finish& finish) {
  for (i64 j = begin; j + kCount <= end; j += kCount) {
    for (i64 c = 0; c < walk.C; c += kLanes) {
      const i64 lanes = std::min(kLanes, walk.C - c);
      Vec sum[kCount] = {};
      if (!kEdge && walk.dense() && walk.kw == 3) {
        add_rows<kCount, 3>(walk, taps, count, j, c, lanes, sum);
      } else if (!kEdge && walk.dense() && walk.kw == 5) {
        add_rows<kCount, 5>(walk, taps, count, j, c, lanes, sum);
      } else {
        add_taps<kCount, kEdge>(walk, taps, count, j, c, lanes, sum);
      }
      Aligned<Vec> sums[kCount];
#pragma GCC unroll 8
      for (int o = 0; o < kCount; ++o) sums[o].v = sum[o];
      finish(j, c, lanes, sums);
    }
  }
}

/// finish(first, step, c, lanes, sums) for all of the target: sums[o] is of its pixel first + o * step.
template <class Finish>
void run(const Walk& walk, const Finish& finish) {
  constexpr int kAtOnce = 4;
#pragma omp parallel for schedule(static)
  for (i64 row = 0; row < walk.N * walk.target_H; ++row) {
    Tap taps[kMostTaps];
    for (i64 phase = 0; phase < walk.phases(); ++phase) {
      const int count = walk.taps(row, phase, taps);
      const i64 pixels = (walk.target_W - phase + walk.phases() - 1) / walk.phases();
      i64 begin = 0, end = pixels;  // all taps inside
      for (int t = 0; t < count; ++t) {
        begin = std::max(begin, (walk.step() - 1 - taps[t].column) / walk.step());
        end = std::min(end, (walk.W - 1 - taps[t].column + walk.step()) / walk.step());
      }
      begin = std::min(begin, pixels);
      end = std::max(begin, begin + (end - begin) / kAtOnce * kAtOnce);
      const auto at = [&](i64 j, i64 c, i64 lanes, auto& sums) {
        finish(row * walk.target_W + phase + j * walk.phases(), walk.phases(), c, lanes, sums);
      };
      span<1, true>(walk, taps, count, 0, begin, at);
      span<kAtOnce, false>(walk, taps, count, begin, end, at);
      span<1, true>(walk, taps, count, end, pixels, at);
    }
  }
}

Walk walk_of(bool backward, const Conv2dSpec& s, const Tensor& source, const Tensor& w, const Tensor& target) {
  return {backward,      s,        source.dim(0), source.dim(1),       source.dim(2), source.dim(3), target.dim(1),
          target.dim(2), w.dim(0), w.dim(1),      source.data<bf16>(), w.data()};
}

}  // namespace

void depthwise(const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  const Walk walk = walk_of(false, s, x, w, y);
  with_storage(y.dtype(), [&](auto storage) {
    auto* const out = y.data<decltype(storage)>();
    run(walk, [&](i64 first, i64 step, i64 c, i64 lanes, auto& sums) {
      auto* const to = out + first * walk.C + c;
      const Vec b = bias ? load_lanes(bias.data() + c, lanes) : Vec{};
      i64 at = 0;
      for (auto& sum : sums) {
        sum.v += b;
        if (s.accumulate) sum.v += load_lanes(to + at, lanes);
        at += step * walk.C;
      }
      activate(s.act, reinterpret_cast<float*>(sums), kLanes * i64(std::size(sums)));
      at = 0;
      for (const auto& sum : sums) {
        store_lanes(to + at, sum.v, lanes);
        at += step * walk.C;
      }
    });
  });
}

void depthwise_data_gradient(const Conv2dSpec& s, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  const Walk walk = walk_of(true, s, dz, w, dx);
  bf16* const out = dx.data<bf16>();
  run(walk, [&](i64 first, i64 step, i64 c, i64 lanes, const auto& sums) {
    bf16* to = out + first * walk.C + c;
    for (const auto& sum : sums) {
      store_lanes(to, sum.v, lanes);
      to += step * walk.C;
    }
  });
}

}  // namespace md::MD_KERNELS
