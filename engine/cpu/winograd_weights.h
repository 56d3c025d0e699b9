// Weights [O,k,k,I] to the planes of a Winograd convolution.
#pragma once
#include "engine/cpu/winograd_product.h"
#include "engine/cpu/winograd_transform.h"

namespace md::MD_KERNELS {

/// The taps of a convolution from `in` to `out` channels.
struct FilterTaps {
  const float* w;  // [out,k,k,in], or
  i64 out, in;
  bool turned;  // [in,k,k,out], with the window turned by half a turn: of the data gradient

  /// A register of output channels from o on, for up to kLanes input channels from i on. Zeros beyond the last ones.
  template <int kTaps>
  void gather(int tap, i64 o, i64 i, Vec (&at)[kLanes]) const {
    constexpr int kAll = kTaps * kTaps;
    const i64 outs = std::min(kLanes, out - o), ins = std::min(kLanes, in - i);
    if (turned) {
      for (i64 k = 0; k < ins; ++k) at[k] = load_part(w + ((i + k) * kAll + kAll - 1 - tap) * out + o, outs);
      return;
    }
    for (i64 k = 0; k < kLanes; ++k) at[k] = k < outs ? load_part(w + ((o + k) * kAll + tap) * in + i, ins) : Vec{};
    transpose_square(at);
  }
};

/// v [planes][term][kWide], the planes `plane` floats apart: input channels [i, i + terms), up to kLanes of them,
/// output channels [o, o + kWide).
template <int kTile, int kTaps>
void transform_filters(const FilterTaps& taps, i64 o, i64 i, i64 terms, float* v, i64 plane) {
  for (i64 c = o; c < std::min(taps.out, o + kWide); c += kLanes, v += kLanes) {
    Vec gathered[kTaps * kTaps][kLanes];
    for (int tap = 0; tap < kTaps * kTaps; ++tap) taps.gather<kTaps>(tap, c, i, gathered[tap]);
    for (i64 k = 0; k < terms; ++k) {
      transform_square<WinogradFilter<kTile, kTaps>>(
          [&](int y, int x) { return gathered[y * kTaps + x][k]; },
          [&](int y, int x, Vec g) { store(v + (y * kTile + x) * plane + k * kWide, g); });
    }
  }
}

}  // namespace md::MD_KERNELS
