// Edges are smooth: a pixel is covered by as much as its distance to a line or a centre says.
#include "tools/figure/raster.h"

#include <algorithm>
#include <cmath>

#include "tools/figure/glyphs.h"

namespace md {
namespace {

constexpr double kDash = 4, kGap = 3;  // of dashed lines, as in SVG
constexpr Rgb kWhite{255, 255, 255};

/// The pixels so far.
class Canvas {
 public:
  Canvas(int height, int width)
      : image_{height, width, std::vector<std::uint8_t>(std::size_t(height) * std::size_t(width) * 3, 255)} {}

  void blend(i64 x, i64 y, const Rgb& colour, double cover) {
    if (x < 0 || y < 0 || x >= image_.width || y >= image_.height || !(cover > 0)) return;
    std::uint8_t* const pixel = image_.pixels.data() + (y * image_.width + x) * 3;
    for (std::size_t c = 0; c < 3; ++c)
      pixel[c] = std::uint8_t(std::lround(pixel[c] + (colour[c] - pixel[c]) * std::min(cover, 1.0)));
  }

  /// Blends what lies within `reach` of a shape; distance(x, y) is that of a pixel's centre from its middle.
  template <class Distance>
  void stroke(FigurePoint low, FigurePoint high, double reach, const Rgb& colour, Distance distance) {
    for (auto y = i64(std::floor(low.y - reach - 1)); y <= i64(high.y + reach + 1); ++y) {
      for (auto x = i64(std::floor(low.x - reach - 1)); x <= i64(high.x + reach + 1); ++x)
        blend(x, y, colour, reach + 0.5 - distance(double(x) + 0.5, double(y) + 0.5));
    }
  }

  RgbImage take() { return std::move(image_); }

 private:
  RgbImage image_;
};

FigurePoint scaled(const FigurePoint& p) { return {p.x * kFigureScale, p.y * kFigureScale}; }

void draw(Canvas& canvas, const FigurePicture& picture) {
  const RgbImage image = picture_pixels(picture);
  const FigurePoint at = scaled(picture.at);
  const std::uint8_t* from = image.pixels.data();
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x, from += 3)
      canvas.blend(std::lround(at.x) + x, std::lround(at.y) + y, {from[0], from[1], from[2]}, 1);
  }
}

/// The part of a line from `a` to `b`, in pixels of the PNG.
void draw_segment(Canvas& canvas, FigurePoint a, FigurePoint b, double half_width, const Rgb& colour) {
  const double dx = b.x - a.x, dy = b.y - a.y, squared = dx * dx + dy * dy;
  const auto distance = [&](double x, double y) {
    const double along = squared > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / squared, 0.0, 1.0) : 0;
    return std::hypot(x - a.x - along * dx, y - a.y - along * dy);
  };
  canvas.stroke({std::min(a.x, b.x), std::min(a.y, b.y)}, {std::max(a.x, b.x), std::max(a.y, b.y)}, half_width, colour,
                distance);
}

void draw(Canvas& canvas, const FigureLine& line) {
  const double half_width = line.width * kFigureScale / 2;
  for (std::size_t i = 1; i < line.points.size(); ++i) {
    const FigurePoint a = scaled(line.points[i - 1]), b = scaled(line.points[i]);
    const double length = std::hypot(b.x - a.x, b.y - a.y);
    if (!line.dashed || length == 0) {
      draw_segment(canvas, a, b, half_width, line.colour);
      continue;
    }
    const auto at = [&](double along) {
      const double part = std::min(along, length) / length;
      return FigurePoint{a.x + part * (b.x - a.x), a.y + part * (b.y - a.y)};
    };
    for (double along = 0; along < length; along += (kDash + kGap) * kFigureScale)
      draw_segment(canvas, at(along), at(along + kDash * kFigureScale), half_width, line.colour);
  }
}

void draw(Canvas& canvas, const FigureDot& dot) {
  const FigurePoint at = scaled(dot.at);
  const auto distance = [&](double x, double y) { return std::hypot(x - at.x, y - at.y); };
  const double radius = dot.radius * kFigureScale;
  canvas.stroke(at, at, radius + kFigureScale / 2.0, kWhite, distance);
  canvas.stroke(at, at, radius - kFigureScale / 2.0, dot.colour, distance);
}

void draw(Canvas& canvas, const FigureText& text) {
  const FigurePoint at = scaled(text.at);
  double pen = 0;
  if (text.align != FigureText::Align::begin)
    pen = -text_width(text.text) * kFigureScale / (text.align == FigureText::Align::middle ? 2 : 1);
  for (const char32_t c : characters_of(text.text)) {
    const Glyph& glyph = glyph_of(c);
    for (int y = 0; y < glyph.height; ++y) {
      for (int x = 0; x < glyph.width; ++x) {
        const i64 along = std::lround(pen) + glyph.left + x, down = glyph.top + y;
        canvas.blend(std::lround(at.x) + (text.upwards ? down : along),
                     std::lround(at.y) + (text.upwards ? -along : down), text.colour,
                     double(glyph.shades[std::size_t(y * glyph.width + x)]));
      }
    }
    pen += glyph.advance;
  }
}

}  // namespace

RgbImage raster_of(const Drawing& drawing) {
  Canvas canvas(drawing.height * kFigureScale, drawing.width * kFigureScale);
  for (const FigurePicture& picture : drawing.pictures) draw(canvas, picture);
  for (const FigureLine& line : drawing.lines) draw(canvas, line);
  for (const FigureDot& dot : drawing.dots) draw(canvas, dot);
  for (const FigureText& text : drawing.texts) draw(canvas, text);
  return canvas.take();
}

}  // namespace md
