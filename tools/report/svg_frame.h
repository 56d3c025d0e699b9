// The frame of a chart: its place in the picture, axes, ticks and their titles.
#pragma once
#include <string>
#include <vector>

#include "tools/report/axis.h"

namespace md {

/// Pixels of the picture, and of the plot inside it.
struct SvgLayout {
  double width = 440, height = 264;
  double left = 66, right = 12, top = 10, bottom = 42;
};

/// One axis: what it spans, where its ticks stand.
struct SvgAxis {
  std::string title;
  AxisRange range;
  bool log = false;
  std::vector<double> ticks = {};
  std::vector<std::string> labels = {};  // of the ticks; empty: their numbers
};

/// A chart under way: first its frame, then what is drawn inside it.
class SvgFrame {
 public:
  SvgFrame(std::string title, std::string description, SvgAxis x, SvgAxis y, const SvgLayout& = {});
  /// Places of values in the picture.
  double x(double value) const;
  double y(double value) const;
  const SvgLayout& layout() const { return layout_; }
  /// Adds elements inside the plot.
  void add(const std::string& elements) { inside_ += elements; }
  /// The whole picture.
  std::string finish() const;

 private:
  std::string axes() const;

  std::string title_, description_;
  SvgAxis x_, y_;
  SvgLayout layout_;
  std::string inside_;
};

/// What stands beside the i-th tick.
std::string tick_text(const SvgAxis&, std::size_t i);

/// A coordinate with a tenth of a pixel.
std::string svg_number(double);

}  // namespace md
