// Charts as SVG, drawn in the reader's colours: every stroke and fill is a class of report.css (or of chart.css, inside
// a file of its own), so that light, dark and print follow. Series differ by colour and by dash or mark.
#pragma once
#include <string>
#include <vector>

#include "tools/report/svg_frame.h"

namespace md {

/// A line through points, of one run or kind.
struct ChartSeries {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> low = {}, high = {};  // a band around the line: empty, or one number a point
  int colour = 0;                           // of series: equal ones belong together
  bool marks = false;                       // a mark at each point, as few points want
  bool dotted = false;                      // a bound, not something that was measured
  std::string label = {};                   // beside its last point, where the colour does not tell it
};

/// Something that happened at an x.
struct ChartEvent {
  double x;
  std::string what;  // "resumed"
  enum class Kind : std::uint8_t { line, cross } kind = Kind::line;
  int colour = 0;
};

/// What a chart shows; units stand in the axes' titles.
struct LineChart {
  std::string title, x_title, y_title;
  std::vector<ChartSeries> series;
  std::vector<ChartEvent> events = {};
  bool from_zero = false;  // the y axis begins at 0
  bool log_y = false;      // REQUIRES: y above 0
};
/// With a title and a description for those who cannot see it.
std::string svg_of(const LineChart&);

/// The axes of such a chart, wide enough for all of it.
struct ChartAxes {
  SvgAxis x, y;
};
ChartAxes axes_of(const LineChart&);

/// Bars side by side in groups: values[series][group].
struct BarChart {
  std::string title, x_title, y_title;
  std::vector<std::string> groups, series;
  std::vector<std::vector<double>> values;  // NaN: no bar
};
/// The same of bars; the y axis begins at 0.
std::string svg_of(const BarChart&);

/// What the chart says, in a sentence: "AbsRel: lt from 0.3 at 25 to 0.12 at 800".
std::string description_of(const LineChart&);
std::string description_of(const BarChart&);

}  // namespace md
