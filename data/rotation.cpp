// Compiled with -ffp-contract=off: a fused multiply-add would round differently from Pillow, and truncation to integers
// makes that visible.
#include "data/rotation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

namespace md {
namespace {

/// Python's round(value, 15): the nearest decimal with 15 places, correctly rounded both ways.
double round15(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 15).ptr;
  double rounded = 0;
  std::from_chars(text, end, rounded);
  return rounded;
}

double python_modulo(double value, double divisor) {
  const double rest = std::fmod(value, divisor);
  return rest < 0 ? rest + divisor : rest;
}

template <class T>
bool contains(const Window<T>& window, Rotation::Point p) {
  return p.x >= 0 && p.x < window.width && p.y >= 0 && p.y < window.height;
}

/// Bilinear interpolation of up to 64 pixels, in steps whose loops vectorise: all but the fetching.
class BilinearBlock {
 public:
  static constexpr int size = 64;

  BilinearBlock(const Window<std::uint8_t>& window, const Rotation& rotation, const RowSpan& row)
      : window_(window), count_(row.count) {
    for (int i = 0; i < count_; ++i) locate(i, rotation.source(row.x + i * row.step, row.y));
    for (int i = 0; i < count_; ++i) fetch(i);
  }

  void write(std::uint8_t* rgb) const {
    for (int c = 0; c < 3; ++c) {
      std::uint8_t values[size];
      for (int i = 0; i < count_; ++i) {
        const double v1 = mix(corner_[0][c][i], corner_[1][c][i], dx_[i]);
        const double v2 = mix(corner_[2][c][i], corner_[3][c][i], dx_[i]);
        values[i] = static_cast<std::uint8_t>(int((v1 + (v2 - v1) * dy_[i]) * inside_[i]));
      }
      for (int i = 0; i < count_; ++i) rgb[3 * i + c] = values[i];
    }
  }

 private:
  static double mix(std::uint8_t a, std::uint8_t b, double share) { return a + (b - a) * share; }

  void locate(int i, Rotation::Point p) {
    inside_[i] = contains(window_, p) ? 1.0 : 0.0;
    // Between pixel centres. Outside, any pixel will do: it is multiplied by 0.
    const double x = std::clamp(p.x, 0.0, double(window_.width)) - 0.5;
    const double y = std::clamp(p.y, 0.0, double(window_.height)) - 0.5;
    const int left = int(x + 1) - 1, top = int(y + 1) - 1;
    dx_[i] = x - left;
    dy_[i] = y - top;
    const int x0 = std::max(left, 0), x1 = std::min(left + 1, window_.width - 1);
    const int y0 = std::max(top, 0), y1 = std::min(top + 1, window_.height - 1);
    const int stride = int(window_.stride);
    offset_[0][i] = y0 * stride + 3 * x0;
    offset_[1][i] = y0 * stride + 3 * x1;
    offset_[2][i] = y1 * stride + 3 * x0;
    offset_[3][i] = y1 * stride + 3 * x1;
  }

  void fetch(int i) {
    for (int k = 0; k < 4; ++k) {
      for (int c = 0; c < 3; ++c) corner_[k][c][i] = window_.pixels[offset_[k][i] + c];
    }
  }

  Window<std::uint8_t> window_;
  int count_;
  double inside_[size], dx_[size], dy_[size];
  int offset_[4][size];              // upper left, upper right, lower left, lower right
  std::uint8_t corner_[4][3][size];  // the same, by channel
};

}  // namespace

Rotation::Rotation(double angle_degree, int width, int height) {
  const double angle = -(python_modulo(angle_degree, 360.0) * (std::numbers::pi / 180.0));
  const double x = width / 2.0, y = height / 2.0;
  a_ = e_ = round15(std::cos(angle));
  b_ = round15(std::sin(angle));
  d_ = round15(-std::sin(angle));
  c_ = a_ * -x + b_ * -y + x;
  f_ = d_ * -x + e_ * -y + y;
}

Rotation::Point Rotation::source(int x, int y) const {
  const double u = x + 0.5, v = y + 0.5;
  return {a_ * u + b_ * v + c_, d_ * u + e_ * v + f_};
}

void Rotation::bilinear(const Window<std::uint8_t>& window, const RowSpan& row, std::uint8_t* rgb) const {
  for (int begin = 0; begin < row.count; begin += BilinearBlock::size) {
    const int count = std::min(BilinearBlock::size, row.count - begin);
    BilinearBlock(window, *this, {row.y, row.x + begin * row.step, row.step, count}).write(rgb + 3 * begin);
  }
}

void Rotation::nearest(const Window<float>& window, const RowSpan& row, float* depth_m) const {
  for (int i = 0; i < row.count; ++i) {
    const Point from = source(row.x + i * row.step, row.y);
    depth_m[i] =
        contains(window, from) ? window.pixels[std::size_t(from.y) * window.stride + std::size_t(from.x)] : 0.F;
  }
}

}  // namespace md
