// Windows of channels-last images, a register of channels at a time: every tap is one multiply-add.
#include "engine/cpu/conv_direct.h"

#include <algorithm>

#include "engine/cpu/activate.h"
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {
namespace {

struct Geometry {
  Geometry(const Conv2dSpec& s, const Tensor& x, const Tensor& y, i64 k_rows, i64 k_columns)
      : N(x.dim(0)),
        H(x.dim(1)),
        W(x.dim(2)),
        C(x.dim(3)),
        OH(y.dim(1)),
        OW(y.dim(2)),
        kh(k_rows),
        kw(k_columns),
        stride(s.stride),
        pad(s.pad),
        dilation(s.dilation) {
    // Output columns whose whole window row lies inside the image.
    inner_begin = std::min(OW, i64(pad.w + stride.w - 1) / stride.w);
    const i64 last = W - 1 + pad.w - (kw - 1) * dilation.w;
    inner_end = last < 0 ? inner_begin : std::max(inner_begin, std::min(OW, last / stride.w + 1));
  }
  i64 N, H, W, C, OH, OW, kh, kw;
  PerAxis stride, pad, dilation;
  i64 inner_begin, inner_end;
};

/// How the kernels below are specialised.
template <int kTaps, bool kBroadcastDz, bool kFullLanes>
struct Variant {
  static constexpr int K = kTaps;                     // columns of the window
  static constexpr bool broadcast_dz = kBroadcastDz;  // one output channel: dz [N,OH,OW,1]
  static constexpr bool full = kFullLanes;            // 16 channels at once; else `lanes` of them
};

/// dw for one row of the window, one block of channels, over a range of output rows (n*OH + oy).
template <class V, class T>
struct WindowRow {
  const Geometry& g;
  const T *x, *dz;  // [N,H,W,C] and [N,OH,OW,C] (or [N,OH,OW,1]), both at the block's first channel
  i64 ky, lanes;

  Vec channels(const T* p) const {
    if constexpr (V::full) return load(p);
    return load_part(p, lanes);
  }
  Vec upstream(const T* row, i64 ox) const {
    if constexpr (V::broadcast_dz) return broadcast(row[ox]);
    return channels(row + ox * g.C);
  }

  /// The border: each tap looks whether it is inside.
  void edge(const T* xr, const T* zr, i64 begin, i64 end, Vec* acc) const {
    for (i64 ox = begin; ox < end; ++ox) {
      const Vec z = upstream(zr, ox);
      for (i64 kx = 0; kx < V::K; ++kx) {
        const i64 ix = ox * g.stride.w - g.pad.w + kx * g.dilation.w;
        if (ix >= 0 && ix < g.W) acc[kx] += z * channels(xr + ix * g.C);
      }
    }
  }

  /// The inside: four outputs at a time, so that with unit stride their K+3 inputs are loaded once.
  template <int kStride>
  void inside(const T* xr, const T* zr, Vec* acc) const {
    constexpr int kOutputs = 4, kInputs = (kOutputs - 1) * kStride + V::K;
    i64 ox = g.inner_begin;
    for (; ox + kOutputs <= g.inner_end; ox += kOutputs) {
      const T* p = xr + (ox * kStride - g.pad.w) * g.C;
      Vec z[kOutputs];
#pragma GCC unroll 4
      for (int o = 0; o < kOutputs; ++o) z[o] = upstream(zr, ox + o);
#pragma GCC unroll 16
      for (int u = 0; u < kInputs; ++u) {
        const Vec in = channels(p + u * g.C);
#pragma GCC unroll 4
        for (int o = 0; o < kOutputs; ++o) {
          if (const int kx = u - o * kStride; kx >= 0 && kx < V::K) acc[kx] += z[o] * in;
        }
      }
    }
    edge(xr, zr, ox, g.inner_end, acc);
  }

  void run(i64 row_begin, i64 row_end, float* dw) const {
    Vec acc[V::K] = {};
    for (i64 r = row_begin; r < row_end; ++r) {
      const i64 n = r / g.OH, iy = r % g.OH * g.stride.h - g.pad.h + ky * g.dilation.h;
      if (iy < 0 || iy >= g.H) continue;
      const T* xr = x + (n * g.H + iy) * g.W * g.C;
      const T* zr = dz + r * g.OW * (V::broadcast_dz ? 1 : g.C);
      const bool dense = g.dilation.w == 1 && g.stride.w <= 2;
      edge(xr, zr, 0, dense ? g.inner_begin : g.OW, acc);
      if (!dense) continue;
      if (g.stride.w == 1) {
        inside<1>(xr, zr, acc);
      } else {
        inside<2>(xr, zr, acc);
      }
      edge(xr, zr, g.inner_end, g.OW, acc);
    }
    for (i64 kx = 0; kx < V::K; ++kx) store_part(dw + kx * g.C, acc[kx], std::min(lanes, kLanes));
  }
};

/// One chunk of output rows, one block of channels, all rows of the window, into taps[kh,kw,C].
template <int K, bool kBroadcastDz, class T>
void chunk_gradient(const Geometry& g, const T* x, const T* dz, i64 begin, i64 end, i64 c, float* taps) {
  const i64 lanes = std::min(kLanes, g.C - c);
  // A narrow last block reads 16 channels that begin earlier, and its partial sums overlap those of its neighbour:
  // written by the same thread, with equal values.
  const i64 from = lanes < kLanes && g.C >= kLanes ? g.C - kLanes : c;
  const T *px = x + from, *pz = kBroadcastDz ? dz : dz + from;
  for (i64 ky = 0; ky < g.kh; ++ky) {
    float* out = taps + ky * g.kw * g.C + from;
    if (g.C >= kLanes) {
      WindowRow<Variant<K, kBroadcastDz, true>, T>{g, px, pz, ky, kLanes}.run(begin, end, out);
    } else {
      WindowRow<Variant<K, kBroadcastDz, false>, T>{g, px, pz, ky, lanes}.run(begin, end, out);
    }
  }
}

template <int K, bool kBroadcastDz, class T>
void weight_gradient(const Geometry& g, const T* x, const T* dz, float* dw) {
  // Chunks depend on the shape alone, so the sum is the same with any number of threads.
  const i64 rows = g.N * g.OH, per_chunk = std::max<i64>(4, 32768 / (g.OW * g.C)),
            chunks = (rows + per_chunk - 1) / per_chunk;
  const i64 taps = g.kh * g.kw * g.C;
  std::vector<float> partial(static_cast<std::size_t>(chunks * taps));
#pragma omp parallel for schedule(static)
  for (i64 chunk = 0; chunk < chunks; ++chunk) {
    for (i64 c = 0; c < g.C; c += kLanes) {
      chunk_gradient<K, kBroadcastDz>(g, x, dz, chunk * per_chunk, std::min(rows, (chunk + 1) * per_chunk), c,
                                      partial.data() + chunk * taps);
    }
  }
#pragma omp parallel for schedule(static)
  for (i64 t = 0; t < taps; ++t) {
    double s = 0;
    for (i64 chunk = 0; chunk < chunks; ++chunk)
      s += static_cast<double>(partial[static_cast<std::size_t>(chunk * taps + t)]);
    dw[t] = static_cast<float>(s);
  }
}

template <bool kBroadcast, class T>
void weight_gradient(const Geometry& g, const T* x, const T* dz, float* dw) {
  switch (g.kw) {
    case 1:
      return weight_gradient<1, kBroadcast>(g, x, dz, dw);
    case 3:
      return weight_gradient<3, kBroadcast>(g, x, dz, dw);
    case 5:
      return weight_gradient<5, kBroadcast>(g, x, dz, dw);
    case 7:
      return weight_gradient<7, kBroadcast>(g, x, dz, dw);
    default:
      fail(ErrorKind::contract, "direct convolution: no kernel for a window of ", g.kw);
  }
}

/// acc[o] += a row of the window, kTaps wide, at output o, all channels of neighbouring outputs: what several of them
/// read is loaded, and widened, once.
template <int kCount, int kTaps, class T>
[[gnu::always_inline]] inline void row_dots(const T* x, const float* w, i64 C, Vec* acc) {
  for (i64 c = 0; c < C; c += kLanes) {
    const i64 lanes = std::min(kLanes, C - c);
    Vec tap[kTaps];
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k) tap[k] = load_lanes(w + k * C + c, lanes);
#pragma GCC unroll 16
    for (int u = 0; u < kCount + kTaps - 1; ++u) {
      const Vec in = load_lanes(x + u * C + c, lanes);
#pragma GCC unroll 8
      for (int o = 0; o < kCount; ++o) {
        if (const int k = u - o; k >= 0 && k < kTaps) acc[o] += tap[k] * in;
      }
    }
  }
}

/// Sixteen channels of the window at one output, for outputs [ox, ox+kCount) of a row; window columns outside the image
/// are skipped only where kEdge.
template <int kCount, bool kEdge, class T>
[[gnu::always_inline]] inline void window_dots(const Geometry& g, const T* x, const float* w, i64 n, i64 oy, i64 ox,
                                               Vec* acc) {
  for (i64 ky = 0; ky < g.kh; ++ky) {
    const i64 iy = oy * g.stride.h - g.pad.h + ky * g.dilation.h;
    if (iy < 0 || iy >= g.H) continue;
    const T* const row = x + (n * g.H + iy) * g.W * g.C;
    const float* const taps = w + ky * g.kw * g.C;
    if (!kEdge && g.kw == 3 && g.stride.w == 1 && g.dilation.w == 1) {
      row_dots<kCount, 3>(row + (ox - g.pad.w) * g.C, taps, g.C, acc);
      continue;
    }
    for (i64 kx = 0; kx < g.kw; ++kx) {
      const i64 ix = ox * g.stride.w - g.pad.w + kx * g.dilation.w;
      if (kEdge && (ix < 0 || ix >= g.W)) continue;
#pragma GCC unroll 8
      for (int o = 0; o < kCount; ++o) row_dots<1, 1>(row + (ix + o * g.stride.w) * g.C, taps + kx * g.C, g.C, acc + o);
    }
  }
}

/// Outputs [begin, end) of one row.
template <int kCount, bool kEdge, class T, class Finish>
void output_span(const Geometry& g, const T* x, const float* w, i64 r, i64 begin, i64 end, const Finish& finish) {
  for (i64 ox = begin; ox + kCount <= end; ox += kCount) {
    Vec acc[kCount] = {};
    window_dots<kCount, kEdge>(g, x, w, r / g.OH, r % g.OH, ox, acc);
#pragma GCC unroll 8
    for (int o = 0; o < kCount; ++o) finish(ox + o, sum_of_lanes(acc[o]));
  }
}

template <class T>
void one_channel(const Geometry& g, const Conv2dSpec& spec, const T* x, const float* w, float b, float* y) {
#pragma omp parallel for schedule(static)
  for (i64 r = 0; r < g.N * g.OH; ++r) {
    float* const row = y + r * g.OW;
    const auto finish = [b, row, accumulate = spec.accumulate](i64 ox, float sum) {
      row[ox] = accumulate ? b + sum + row[ox] : b + sum;
    };
    const i64 eights = g.inner_begin + (g.inner_end - g.inner_begin) / 8 * 8;
    output_span<1, true>(g, x, w, r, 0, g.inner_begin, finish);
    output_span<8, false>(g, x, w, r, g.inner_begin, eights, finish);
    output_span<1, true>(g, x, w, r, eights, g.OW, finish);
    activate(spec.act, row, g.OW);
  }
}

}  // namespace

void direct_weight_gradient(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw) {
  const int window = dw.shape().rank() == 3 ? 0 : 1;
  const Geometry g(spec, x, dz, dw.dim(window), dw.dim(window + 1));
  with_storage(x.dtype(), [&](auto storage) {
    using T = decltype(storage);
    if (dz.dim(3) == 1 && g.C > 1) {
      weight_gradient<true>(g, x.data<T>(), dz.data<T>(), dw.data());
    } else {
      weight_gradient<false>(g, x.data<T>(), dz.data<T>(), dw.data());
    }
  });
}

void direct_one_channel(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  const Geometry g(spec, x, y, w.dim(1), w.dim(2));
  with_storage(x.dtype(), [&](auto storage) {
    one_channel(g, spec, x.data<decltype(storage)>(), w.data(), bias ? *bias.data() : 0.F, y.data());
  });
}

}  // namespace md::MD_KERNELS
