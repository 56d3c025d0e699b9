#include "engine/cpu/conv_direct.h"

#include <algorithm>

#include "engine/cpu/vec.h"

namespace md {
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
    inner_begin = std::min(OW, (pad + stride - 1) / stride);
    const i64 last = W - 1 + pad - (kw - 1) * dilation;
    inner_end = last < 0 ? inner_begin : std::max(inner_begin, std::min(OW, last / stride + 1));
  }
  i64 N, H, W, C, OH, OW, kh, kw, stride, pad, dilation, inner_begin, inner_end;
};

/// dw for one row of the window, one block of channels, over a range of output rows (n*OH + oy).
struct WindowRow {
  const Geometry& g;
  const float *x, *dz;  // [N,H,W,C] and [N,OH,OW,C] (or [N,OH,OW,1]), both at the block's first channel
  i64 ky, lanes;        // lanes: channels of this block, at most 16

  template <bool kBroadcast>
  Vec upstream(const float* row, i64 ox) const {
    if constexpr (kBroadcast) return broadcast(row[ox]);
    return lanes == kLanes ? load(row + ox * g.C) : load_part(row + ox * g.C, lanes);
  }
  Vec input(const float* row, i64 ix) const {
    return lanes == kLanes ? load(row + ix * g.C) : load_part(row + ix * g.C, lanes);
  }

  /// The border: each tap looks whether it is inside.
  template <int K, bool kBroadcast>
  void edge(const float* xr, const float* zr, i64 begin, i64 end, Vec* acc) const {
    for (i64 ox = begin; ox < end; ++ox) {
      const Vec z = upstream<kBroadcast>(zr, ox);
      for (i64 kx = 0; kx < K; ++kx) {
        const i64 ix = ox * g.stride - g.pad + kx * g.dilation;
        if (ix >= 0 && ix < g.W) acc[kx] += z * input(xr, ix);
      }
    }
  }

  /// The inside with unit stride and dilation: four outputs share their K+3 inputs.
  template <int K, bool kBroadcast>
  void inside_dense(const float* xr, const float* zr, Vec* acc) const {
    i64 ox = g.inner_begin;
    for (; ox + 4 <= g.inner_end; ox += 4) {
      Vec in[K + 3];
      for (i64 u = 0; u < K + 3; ++u) in[u] = input(xr, ox - g.pad + u);
      for (i64 o = 0; o < 4; ++o) {
        const Vec z = upstream<kBroadcast>(zr, ox + o);
        for (i64 kx = 0; kx < K; ++kx) acc[kx] += z * in[o + kx];
      }
    }
    edge<K, kBroadcast>(xr, zr, ox, g.inner_end, acc);
  }

  template <int K, bool kBroadcast>
  void inside_strided(const float* xr, const float* zr, Vec* acc) const {
    for (i64 ox = g.inner_begin; ox < g.inner_end; ++ox) {
      const Vec z = upstream<kBroadcast>(zr, ox);
      const i64 ix = ox * g.stride - g.pad;
      for (i64 kx = 0; kx < K; ++kx) acc[kx] += z * input(xr, ix + kx * g.dilation);
    }
  }

  template <int K, bool kBroadcast>
  void run(i64 row_begin, i64 row_end, float* dw) const {
    Vec acc[K] = {};
    for (i64 r = row_begin; r < row_end; ++r) {
      const i64 n = r / g.OH, iy = r % g.OH * g.stride - g.pad + ky * g.dilation;
      if (iy < 0 || iy >= g.H) continue;
      const float* xr = x + (n * g.H + iy) * g.W * g.C;
      const float* zr = dz + r * g.OW * (kBroadcast ? 1 : g.C);
      edge<K, kBroadcast>(xr, zr, 0, g.inner_begin, acc);
      if (g.stride == 1 && g.dilation == 1) {
        inside_dense<K, kBroadcast>(xr, zr, acc);
      } else {
        inside_strided<K, kBroadcast>(xr, zr, acc);
      }
      edge<K, kBroadcast>(xr, zr, g.inner_end, g.OW, acc);
    }
    for (i64 kx = 0; kx < K; ++kx) store_part(dw + kx * g.C, acc[kx], lanes);
  }
};

template <int K, bool kBroadcast>
void weight_gradient(const Geometry& g, const float* x, const float* dz, float* dw) {
  // Chunks depend on the shape alone, so the sum is the same with any number of threads.
  constexpr i64 kRows = 16;
  const i64 rows = g.N * g.OH, chunks = (rows + kRows - 1) / kRows, blocks = (g.C + kLanes - 1) / kLanes;
  const i64 taps = g.kh * g.kw * g.C;
  std::vector<float> partial(static_cast<std::size_t>(chunks * taps));
#pragma omp parallel for collapse(2) schedule(static)
  for (i64 chunk = 0; chunk < chunks; ++chunk) {
    for (i64 block = 0; block < blocks; ++block) {
      const i64 c = block * kLanes;
      for (i64 ky = 0; ky < g.kh; ++ky) {
        const WindowRow row{g, x + c, kBroadcast ? dz : dz + c, ky, std::min(kLanes, g.C - c)};
        row.run<K, kBroadcast>(chunk * kRows, std::min(rows, (chunk + 1) * kRows),
                               partial.data() + chunk * taps + ky * g.kw * g.C + c);
      }
    }
  }
  for (i64 t = 0; t < taps; ++t) {
    double s = 0;
    for (i64 chunk = 0; chunk < chunks; ++chunk)
      s += static_cast<double>(partial[static_cast<std::size_t>(chunk * taps + t)]);
    dw[t] = static_cast<float>(s);
  }
}

template <bool kBroadcast>
void weight_gradient(const Geometry& g, const float* x, const float* dz, float* dw) {
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
      fail(Exit::numeric, "direct convolution: no kernel for a window of ", g.kw);
  }
}

/// One output of a single-channel convolution.
float one_output(const Geometry& g, const float* x, const float* w, i64 n, i64 oy, i64 ox) {
  Vec acc{};
  float rest = 0.F;
  const i64 whole = g.C / kLanes * kLanes;
  for (i64 ky = 0; ky < g.kh; ++ky) {
    const i64 iy = oy * g.stride - g.pad + ky * g.dilation;
    if (iy < 0 || iy >= g.H) continue;
    for (i64 kx = 0; kx < g.kw; ++kx) {
      const i64 ix = ox * g.stride - g.pad + kx * g.dilation;
      if (ix < 0 || ix >= g.W) continue;
      const float* p = x + ((n * g.H + iy) * g.W + ix) * g.C;
      const float* q = w + (ky * g.kw + kx) * g.C;
      for (i64 c = 0; c < whole; c += kLanes) acc += load(p + c) * load(q + c);
      for (i64 c = whole; c < g.C; ++c) rest += p[c] * q[c];
    }
  }
  return sum_of_lanes(acc) + rest;
}

}  // namespace

void direct_weight_gradient(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw) {
  const int window = dw.shape().rank() == 3 ? 0 : 1;
  const Geometry g(spec, x, dz, dw.dim(window), dw.dim(window + 1));
  if (dz.dim(3) == 1 && g.C > 1) {
    weight_gradient<true>(g, x.data(), dz.data(), dw.data());
  } else {
    weight_gradient<false>(g, x.data(), dz.data(), dw.data());
  }
}

void direct_one_channel(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  const Geometry g(spec, x, y, w.dim(1), w.dim(2));
  const float *px = x.data(), *pw = w.data(), b = bias ? *bias.data() : 0.F;
  const float slope = spec.act.kind == Act::leaky_relu ? spec.act.slope : 1.F;
  float* py = y.data();
#pragma omp parallel for schedule(static)
  for (i64 r = 0; r < g.N * g.OH; ++r) {
    for (i64 ox = 0; ox < g.OW; ++ox) {
      const float z = b + one_output(g, px, pw, r / g.OH, r % g.OH, ox);
      py[r * g.OW + ox] = z > 0.F ? z : slope * z;
    }
  }
}

}  // namespace md
