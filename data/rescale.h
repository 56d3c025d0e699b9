// Pictures and depth maps at another size: what goes into a network that knows one size, and its depth on the way back.
#pragma once
#include <span>
#include <vector>

#include "data/image_io.h"
#include "engine/tensor.h"

namespace md {

/// The picture at another size by Lanczos's filter of three lobes, widened where the picture shrinks so that nothing
/// aliases: Pillow's LANCZOS, rounded once. It keeps fine texture, on which depth depends: a triangle (BILINEAR)
/// changed it 1.7 times as much. The same size gives the same pixels. Takes as much memory as the result in f32 beside
/// it.
RgbImage rescaled(const RgbImage&, int height, int width);

/// A depth map [h,w] in f32 at another size, bilinear between the centres of its pixels, row by row: the whole of it is
/// never in memory. The same size gives the same numbers.
class RescaledRows {
 public:
  RescaledRows(const Tensor& map, int height, int width);
  /// The next row, [width]; valid until the next call. From the first to the last, then from the first again.
  std::span<const float> next();
  int height() const { return height_; }
  int width() const { return int(columns_.size()); }

 private:
  /// Between source pixels `low` and `high`, at `fraction` of the way.
  struct Place {
    int low, high;
    float fraction;
  };
  static Place place(int at, int from, int to);
  void stretch(int source_row, std::vector<float>& row) const;

  Tensor map_;
  int height_, y_ = 0;
  std::vector<Place> columns_;
  std::vector<float> low_, high_, row_;  // source rows at the new width, and what is between them
  int low_is_ = -1, high_is_ = -1;       // which source rows these are
};

}  // namespace md
