// A figure under way: pictures, lines, dots and words at places, from which both its files are made (svg_of here,
// raster_of in raster.h). Pixels are those of the layout, from the top left; PNGs have twice as many each way.
#pragma once
#include <string>
#include <vector>

#include "data/colormap.h"
#include "data/image_io.h"

namespace md {

inline constexpr int kFigureScale = 2;     // pixels of a PNG per pixel of the layout
inline constexpr double kFigureFont = 13;  // pixels of the layout an em
/// Of words and lines: what matters, what explains, what lies behind.
inline constexpr Rgb kInk{33, 37, 41}, kSoftInk{108, 117, 125}, kGridInk{222, 226, 230};

/// A place of the layout.
struct FigurePoint {
  double x = 0, y = 0;
};

/// Words in a line; `at` is on the line they stand on.
struct FigureText {
  enum class Align : std::uint8_t { begin, middle, end };
  FigurePoint at;
  std::string text;
  Align align = Align::begin;
  Rgb colour = kInk;
  bool upwards = false;  // turned by a quarter, to be read from the right
};

/// Straight lines from point to point.
struct FigureLine {
  std::vector<FigurePoint> points;
  Rgb colour = kInk;
  double width = 1.5;
  bool dashed = false;
};

/// A disc with a white edge, to be seen on any picture.
struct FigureDot {
  FigurePoint at;
  double radius = 4;
  Rgb colour = kInk;
};

/// A picture, brought to the pixels of a PNG: smaller ones by repeating pixels, larger ones and photos by a filter.
struct FigurePicture {
  FigurePoint at;
  int width = 0, height = 0;
  RgbImage image;
  std::string words;   // what is to be seen, for those who cannot see it
  bool photo = false;  // not a map, whose pixels are numbers
};

/// What a figure is made of; pictures lie below lines, those below dots, and words on top.
struct Drawing {
  std::string title;  // in a sentence
  int width = 0, height = 0;
  std::vector<FigurePicture> pictures = {};
  std::vector<FigureLine> lines = {};
  std::vector<FigureDot> dots = {};
  std::vector<FigureText> texts = {};
};

/// A file of its own on white paper, with its pictures inside.
std::string svg_of(const Drawing&);

/// The image with kFigureScale * (width, height) pixels.
RgbImage picture_pixels(const FigurePicture&);

}  // namespace md
