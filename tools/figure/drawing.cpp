// SVG 1.1 without style sheets: what every program that shows SVG knows.
#include "tools/figure/drawing.h"

#include "data/rescale.h"
#include "engine/check.h"
#include "engine/printed.h"
#include "tools/report/base64.h"
#include "tools/report/svg_frame.h"
#include "tools/report/template.h"

namespace md {
namespace {

constexpr int kPhotoQuality = 92;

std::string hex(const Rgb& colour) { return printed("#%02x%02x%02x", colour[0], colour[1], colour[2]); }

std::string svg_of(const FigurePicture& picture) {
  const EncodedPicture encoded = encode_photo(picture_pixels(picture), kPhotoQuality);
  return cat("<image x=\"", svg_number(picture.at.x), "\" y=\"", svg_number(picture.at.y), "\" width=\"", picture.width,
             "\" height=\"", picture.height, "\" href=\"data:", encoded.media_type, ";base64,", base64(encoded.bytes),
             "\"><title>", escape_html(picture.words), "</title></image>\n");
}

std::string svg_of(const FigureLine& line) {
  std::string points;
  for (const FigurePoint& p : line.points)
    points += cat(points.empty() ? "" : " ", svg_number(p.x), ",", svg_number(p.y));
  return cat("<polyline fill=\"none\" stroke=\"", hex(line.colour), "\" stroke-width=\"", line.width, "\"",
             line.dashed ? " stroke-dasharray=\"4 3\"" : "", " points=\"", points, "\"/>\n");
}

std::string svg_of(const FigureDot& dot) {
  return cat("<circle cx=\"", svg_number(dot.at.x), "\" cy=\"", svg_number(dot.at.y), "\" r=\"", dot.radius,
             "\" fill=\"", hex(dot.colour), "\" stroke=\"#fff\"/>\n");
}

std::string svg_of(const FigureText& text) {
  const char* const anchor = text.align == FigureText::Align::begin    ? "start"
                             : text.align == FigureText::Align::middle ? "middle"
                                                                       : "end";
  const std::string x = svg_number(text.at.x), y = svg_number(text.at.y);
  return cat("<text x=\"", x, "\" y=\"", y, "\" text-anchor=\"", anchor, "\" fill=\"", hex(text.colour), "\"",
             text.upwards ? cat(" transform=\"rotate(-90 ", x, " ", y, ")\"") : "", ">", escape_html(text.text),
             "</text>\n");
}

template <class Part>
std::string svg_of_all(const std::vector<Part>& parts) {
  std::string all;
  for (const Part& part : parts) all += svg_of(part);
  return all;
}

RgbImage repeated(const RgbImage& image, int height, int width) {
  RgbImage made{height, width, {}};
  made.pixels.reserve(std::size_t(height) * std::size_t(width) * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto from =
          image.pixels.begin() + (i64(y) * image.height / height * image.width + i64(x) * image.width / width) * 3;
      made.pixels.insert(made.pixels.end(), from, from + 3);
    }
  }
  return made;
}

}  // namespace

RgbImage picture_pixels(const FigurePicture& picture) {
  const int height = picture.height * kFigureScale, width = picture.width * kFigureScale;
  const bool grows = !picture.photo && picture.image.width <= width && picture.image.height <= height;
  return grows ? repeated(picture.image, height, width) : rescaled(picture.image, height, width);
}

std::string svg_of(const Drawing& drawing) {
  return cat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", drawing.width, "\" height=\"", drawing.height,
             "\" viewBox=\"0 0 ", drawing.width, " ", drawing.height,
             "\" role=\"img\" font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"", kFigureFont,
             "\">\n<title>", escape_html(drawing.title),
             "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", svg_of_all(drawing.pictures),
             svg_of_all(drawing.lines), svg_of_all(drawing.dots), svg_of_all(drawing.texts), "</svg>\n");
}

}  // namespace md
