// A row is as high as what stands in its fullest column.
#include "tools/figure/grid.h"

#include <algorithm>

#include "tools/figure/glyphs.h"
#include "tools/report/axis.h"

namespace md {
namespace {

constexpr int kMargin = 16, kGap = 12;                  // around the figure, between cells
constexpr int kTitle = 20, kLine = 18, kBaseline = 14;  // heights of a title, of a line, of its letters
constexpr int kLegend = 9;                              // height of a strip of colours
constexpr double kArm = 7;                              // of a cross

RgbImage colour_strip(const ColourScale& scale) {
  RgbImage strip{1, 256, {}};
  for (int i = 0; i < strip.width; ++i) {
    const Rgb colour = colour_of(scale, scale.low + (scale.high - scale.low) * i / (strip.width - 1));
    strip.pixels.insert(strip.pixels.end(), colour.begin(), colour.end());
  }
  return strip;
}

}  // namespace

FigurePoint FigureCell::place(i64 row, i64 column, i64 rows, i64 columns) const {
  return {at.x + (double(column) + 0.5) / double(columns) * width, at.y + (double(row) + 0.5) / double(rows) * height};
}

FigureGrid::FigureGrid(int columns, int cell_width)
    : cell_width_(cell_width), top_(kMargin), bottoms_(std::size_t(columns), kMargin) {
  drawing_.width = 2 * kMargin + columns * cell_width + (columns - 1) * kGap;
}

int FigureGrid::left(int column) const { return kMargin + column * (cell_width_ + kGap); }

void FigureGrid::begin_row(int height, int width) {
  const double deepest = *std::ranges::max_element(bottoms_);
  if (deepest > kMargin) top_ = deepest + kGap;
  cell_height_ = std::max(1, int(i64(cell_width_) * height / width));
  std::ranges::fill(bottoms_, top_);
}

FigureCell FigureGrid::add(int column, const std::string& title, FigurePicture picture) {
  const FigureCell cell{{double(left(column)), top_ + kTitle}, cell_width_, cell_height_};
  drawing_.texts.push_back({{cell.at.x, top_ + kBaseline}, fitted(title, cell_width_)});
  picture.at = cell.at;
  picture.width = cell.width;
  picture.height = cell.height;
  drawing_.pictures.push_back(std::move(picture));
  bottom(column) = cell.at.y + cell.height;
  return cell;
}

FigureCell FigureGrid::add(int column, const std::string& title, const RgbImage& image, const std::string& words) {
  return add(column, title, FigurePicture{.at = {}, .image = image, .words = words});
}

FigureCell FigureGrid::add_photo(int column, const std::string& title, const RgbImage& image) {
  return add(column, title, FigurePicture{.at = {}, .image = image, .words = "photo: " + title, .photo = true});
}

void FigureGrid::legend(int column, const ColourScale& scale, const std::string& words) {
  const double y = bottom(column) + 5, x = left(column);
  drawing_.pictures.push_back({{x, y}, cell_width_, kLegend, colour_strip(scale), "colours of the picture above"});
  const double line = y + kLegend + kBaseline;
  const std::string unit = scale.unit.empty() ? "" : " " + scale.unit;
  const auto number = [&](double at, double value, FigureText::Align align) {
    drawing_.texts.push_back({{at, line}, short_number(value) + unit, align, kSoftInk});
  };
  number(x, scale.low, FigureText::Align::begin);
  number(x + cell_width_, scale.high, FigureText::Align::end);
  if (words.empty())
    number(x + cell_width_ / 2.0, (scale.low + scale.high) / 2, FigureText::Align::middle);
  else
    drawing_.texts.push_back({{x + cell_width_ / 2.0, line}, words, FigureText::Align::middle, kSoftInk});
  bottom(column) = line + 4;
}

void FigureGrid::note(int column, const std::string& text) {
  drawing_.texts.push_back({{double(left(column)), bottom(column) + kBaseline},
                            fitted(text, cell_width_),
                            FigureText::Align::begin,
                            kSoftInk});
  bottom(column) += kLine;
}

void FigureGrid::key(int column, const Rgb& colour, const std::string& text) {
  const double x = left(column), line = bottom(column) + kBaseline;
  drawing_.dots.push_back({{x + 5, line - 4.5}, 5, colour});
  drawing_.texts.push_back({{x + 16, line}, fitted(text, cell_width_ - 16)});
  bottom(column) += kLine;
}

void FigureGrid::pair(const FigurePoint& anchor, const FigurePoint& sample, const Rgb& colour) {
  drawing_.lines.push_back({{anchor, sample}, {255, 255, 255}, 3});
  drawing_.lines.push_back({{anchor, sample}, colour, 1.5});
  drawing_.dots.push_back({sample, 4.5, colour});
}

void FigureGrid::cross(const FigurePoint& at) {
  for (const auto& [width, colour] : {std::pair<double, Rgb>{4, {0, 0, 0}}, {1.75, {255, 255, 255}}}) {
    drawing_.lines.push_back({{{at.x - kArm, at.y}, {at.x + kArm, at.y}}, colour, width});
    drawing_.lines.push_back({{{at.x, at.y - kArm}, {at.x, at.y + kArm}}, colour, width});
  }
}

Drawing FigureGrid::finish(const std::string& title) {
  drawing_.title = title;
  drawing_.height = int(*std::ranges::max_element(bottoms_)) + kMargin;
  return std::move(drawing_);
}

}  // namespace md
