// Where the tiles of a Winograd convolution lie, and how they pass between images and planes. A tile is kTile x kTile
// inputs and the outputs that they give; a plane is one of its kTile^2 transformed elements, of all tiles and channels.
#pragma once
#include <array>

#include "engine/cpu/winograd_transform.h"

namespace md::MD_KERNELS {

/// Where along one axis tiles of `outputs` outputs begin. With dilation d, every d-th pixel is an image of its own, on
/// which the window is dense.
inline std::vector<i64> tile_starts(i64 out, i64 outputs, i64 dilation) {
  std::vector<i64> starts;
  for (i64 first = 0; first < std::min(dilation, out); ++first) {
    for (i64 at = first; at < out; at += outputs * dilation) starts.push_back(at);
  }
  return starts;
}

/// An image batch [N,H,W,C], stored as T: float or bf16. Tiles of either are computed with as floats.
template <class T>
struct Map {
  explicit Map(const Tensor& t) : data(t.data<T>()), N(t.dim(0)), H(t.dim(1)), W(t.dim(2)), C(t.dim(3)) {}
  T* data;
  i64 N, H, W, C;
};

/// The tiles of a convolution of stride 1 whose outputs are [N,OH,OW].
class Tiles {
 public:
  template <class T>
  Tiles(const Map<T>& y, i64 outputs, PerAxis dilation)
      : step(dilation), rows_(tile_starts(y.H, outputs, dilation.h)), columns_(tile_starts(y.W, outputs, dilation.w)) {
    count = y.N * i64(rows_.size() * columns_.size());
  }
  /// Pixel (i,j) of tile t, counted from `before` pixels before its first output, is at[i][j]; `outside` where the
  /// image has none.
  template <int kSide, class T>
  void pixels(i64 t, const Map<T>& image, PerAxis before, T* outside, T* (&at)[kSide][kSide]) const {
    const i64 columns = i64(columns_.size()), rows = i64(rows_.size());
    const i64 x0 = columns_[std::size_t(t % columns)] - before.w;
    const i64 y0 = rows_[std::size_t(t / columns % rows)] - before.h, n = t / columns / rows;
    for (i64 i = 0; i < kSide; ++i) {
      const i64 y = y0 + i * step.h;
      T* const row = image.data + (n * image.H + y) * image.W * image.C;
      for (i64 j = 0; j < kSide; ++j) {
        const i64 x = x0 + j * step.w;
        const bool inside = y >= 0 && y < image.H && x >= 0 && x < image.W;
        at[i][j] = inside ? row + x * image.C : outside;
      }
    }
  }

  PerAxis step;  // between a tile's pixels
  i64 count;

 private:
  std::vector<i64> rows_, columns_;
};

/// Transformed tiles, a panel of `rows` tiles at a time: [plane][panel][block of channels][tile of the panel][block],
/// with kBlock channels to a block. A product finds what it needs next right behind what it has just read.
template <i64 kBlock>
struct Planes {
  Planes(i64 tiles, i64 rows_in_panel, i64 channels)
      : rows(rows_in_panel), blocks((channels + kBlock - 1) / kBlock), channels_(channels) {
    const i64 panels = (tiles + rows - 1) / rows;
    plane = panels * panel() + kLanes;  // not a power of two: such planes share places of a cache
  }
  i64 panel() const { return blocks * block(); }
  i64 block() const { return rows * kBlock; }
  i64 tile(i64 t) const { return t / rows * panel() + t % rows * kBlock; }  // its first element in plane 0

  /// All channels of one tile, of which `at` are the pixels.
  template <class Line, class T>
  void take(T* const (&at)[Line::kFrom][Line::kFrom], i64 t, float* planes) const {
    float* to = planes + tile(t);
    for (i64 c = 0; c < channels_; c += kLanes) {
      float* const block_to = to + c / kBlock * block() + c % kBlock;
      const auto put = [&](int i, int j, Vec v) { store(block_to + (i * Line::kTo + j) * plane, v); };
      if (c + kLanes <= channels_) {
        transform_square<Line>([&](int i, int j) { return load(at[i][j] + c); }, put);
      } else {
        transform_square<Line>([&](int i, int j) { return load_part(at[i][j] + c, channels_ - c); }, put);
      }
    }
  }

  i64 rows, blocks, plane;

 private:
  i64 channels_;
};

}  // namespace md::MD_KERNELS
