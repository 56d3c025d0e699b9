// Where pictures, their titles, legends and notes stand in a figure: rows of cells of one width.
#pragma once
#include <string>

#include "engine/tensor.h"
#include "tools/figure/drawing.h"
#include "tools/report/feature_pictures.h"
#include "tools/report/scale_colours.h"

namespace md {

/// The picture of a cell.
struct FigureCell {
  FigurePoint at;
  int width = 0, height = 0;
  /// The middle of a pixel of a map [rows,columns] that the picture shows.
  FigurePoint place(i64 row, i64 column, i64 rows, i64 columns) const;
};

/// A figure under way, from the top to the bottom.
class FigureGrid {
 public:
  FigureGrid(int columns, int cell_width);

  /// The next row; its pictures have the shape of height : width.
  void begin_row(int height, int width);
  /// A map as colours, with a title above it.
  FigureCell add(int column, const std::string& title, const RgbImage&, const std::string& words);
  /// A photo with a title above it.
  FigureCell add_photo(int column, const std::string& title, const RgbImage&);
  /// Below what stands in the column: which number has which colour.
  void legend(int column, const ColourScale&, const std::string& words = "");
  /// Below what stands in the column: a line of text, cut to the cell; with a colour, a dot of it in front.
  void note(int column, const std::string& text);
  void key(int column, const Rgb& colour, const std::string& text);
  /// A line from the anchor to another pixel, with a dot there.
  void pair(const FigurePoint& anchor, const FigurePoint& sample, const Rgb& colour);
  /// A cross with a dark edge.
  void cross(const FigurePoint&);

  /// The whole of it; nothing can be added any more.
  Drawing finish(const std::string& title);

 private:
  int left(int column) const;
  FigureCell add(int column, const std::string& title, FigurePicture);
  double& bottom(int column) { return bottoms_[std::size_t(column)]; }

  Drawing drawing_;
  int cell_width_, cell_height_ = 0;
  double top_;                   // of this row
  std::vector<double> bottoms_;  // of what stands in each column of it
};

}  // namespace md
