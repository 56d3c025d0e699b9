// Pillow's Image.rotate(angle) about the centre, same size, zeros outside: bit for bit (Pillow 13). Rows are computed
// one at a time, so that only the part which a training crop keeps is ever computed.
#pragma once
#include <cstddef>
#include <cstdint>

namespace md {

/// A rectangle of an image: pixels [height, width, C] whose rows lie `stride` elements apart.
template <class T>
struct Window {
  const T* pixels;
  int height, width;
  std::size_t stride;
};

/// `count` pixels of row y of the rotated image: columns x, x + step, ... (step -1: mirrored).
struct RowSpan {
  int y = 0, x = 0, step = 1, count = 0;
};

class Rotation {
 public:
  /// Counter-clockwise, of an image of width x height.
  Rotation(double angle_degree, int width, int height);

  struct Point {
    double x, y;  // pixel (i, j) covers [i, i+1) x [j, j+1)
  };
  /// Where the centre of output pixel (x, y) comes from.
  Point source(int x, int y) const;

  /// Image.BILINEAR of [H,W,3] u8 -> rgb [count,3]: in x, then in y, in double; the fraction is dropped.
  void bilinear(const Window<std::uint8_t>&, const RowSpan&, std::uint8_t* rgb) const;
  /// Image.NEAREST of [H,W] f32 -> depth_m [count].
  void nearest(const Window<float>&, const RowSpan&, float* depth_m) const;

 private:
  double a_, b_, c_, d_, e_, f_;
};

}  // namespace md
