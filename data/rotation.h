// Pillow's Image.rotate(angle) about the centre, same size, zeros outside: bit for bit (Pillow 13). Output pixels ask
// for their source, so that only the crop that training keeps is ever computed.
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

class Rotation {
 public:
  /// Counter-clockwise, of an image of width x height.
  Rotation(double angle_degree, int width, int height);

  struct Point {
    double x, y;  // pixel (i, j) covers [i, i+1) x [j, j+1)
  };
  /// Where the centre of output pixel (x, y) comes from.
  Point source(int x, int y) const {
    const double u = x + 0.5, v = y + 0.5;
    return {a_ * u + b_ * v + c_, d_ * u + e_ * v + f_};
  }

 private:
  double a_, b_, c_, d_, e_, f_;
};

/// Image.BILINEAR of [H,W,3] u8: in x, then in y, in double; the fraction is dropped. Zeros outside.
void bilinear_rgb(const Window<std::uint8_t>&, Rotation::Point, std::uint8_t* rgb);
/// Image.NEAREST of [H,W] f32; 0 outside.
float nearest_depth(const Window<float>&, Rotation::Point);

}  // namespace md
