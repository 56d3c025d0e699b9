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

void bilinear_rgb(const Window<std::uint8_t>& window, Rotation::Point p, std::uint8_t* rgb) {
  if (!contains(window, p)) {
    rgb[0] = rgb[1] = rgb[2] = 0;
    return;
  }
  const double x = p.x - 0.5, y = p.y - 0.5;  // between pixel centres; >= -0.5
  const int left = int(x + 1) - 1, top = int(y + 1) - 1;
  const double dx = x - left, dy = y - top;
  const int x0 = std::max(left, 0) * 3, x1 = std::min(left + 1, window.width - 1) * 3;
  const std::uint8_t* upper = window.pixels + std::size_t(std::max(top, 0)) * window.stride;
  const std::uint8_t* lower = window.pixels + std::size_t(std::min(top + 1, window.height - 1)) * window.stride;
  for (int c = 0; c < 3; ++c) {
    const double v1 = upper[x0 + c] + (upper[x1 + c] - upper[x0 + c]) * dx;
    const double v2 = lower[x0 + c] + (lower[x1 + c] - lower[x0 + c]) * dx;
    rgb[c] = static_cast<std::uint8_t>(v1 + (v2 - v1) * dy);
  }
}

float nearest_depth(const Window<float>& window, Rotation::Point p) {
  return contains(window, p) ? window.pixels[std::size_t(p.y) * window.stride + std::size_t(p.x)] : 0.F;
}

}  // namespace md
