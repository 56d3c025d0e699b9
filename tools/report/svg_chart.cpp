// Lines, bands and bars in their frame.
#include "tools/report/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/check.h"
#include "tools/report/template.h"

namespace md {
namespace {

constexpr int kTicksX = 5, kTicksY = 5;
constexpr double kMarkRadius = 3;

void widen(AxisRange& range, double value) {
  if (!std::isfinite(value)) return;
  range.low = std::min(range.low, value);
  range.high = std::max(range.high, value);
}

constexpr AxisRange kNothing{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};

SvgAxis linear_axis(const std::string& title, const AxisRange& range, int wanted) {
  SvgAxis axis{title, nice_range(range, wanted)};
  axis.ticks = nice_ticks(axis.range, wanted);
  return axis;
}

/// Steps of training fill the width: only the ticks are round.
SvgAxis tight_axis(const std::string& title, AxisRange range, int wanted) {
  if (!(range.low < range.high)) range = nice_range(range, wanted);
  return {title, range, false, nice_ticks(range, wanted)};
}

/// Ticks at 1, 2 and 5 of each power of ten that lie in the range.
SvgAxis log_axis(const std::string& title, const AxisRange& range) {
  SvgAxis axis{title, range, true};
  if (!(range.low < range.high)) axis.range = {range.low / 2, range.low * 2};
  const bool wide = axis.range.high / axis.range.low > 50;
  for (double power = std::pow(10, std::floor(std::log10(axis.range.low))); power <= axis.range.high; power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * power;
      if ((factor == 1.0 || !wide) && tick >= axis.range.low && tick <= axis.range.high) axis.ticks.push_back(tick);
    }
  }
  return axis;
}

std::string points(const SvgFrame& frame, const std::vector<double>& x, const std::vector<double>& y) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) {
      pen_down = false;
      continue;
    }
    path += cat(pen_down ? "L" : "M", svg_number(frame.x(x[i])), " ", svg_number(frame.y(y[i])));
    pen_down = true;
  }
  return path;
}

std::string band(const SvgFrame& frame, const ChartSeries& series) {
  if (series.low.empty()) return "";
  std::vector<double> x = series.x, y = series.high;
  x.insert(x.end(), series.x.rbegin(), series.x.rend());
  y.insert(y.end(), series.low.rbegin(), series.low.rend());
  return cat("<path class=\"band s", series.colour, "\" d=\"", points(frame, x, y), "Z\"/>");
}

std::string marks(const SvgFrame& frame, const ChartSeries& series) {
  std::string all;
  for (std::size_t i = 0; series.marks && i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    all += cat("<circle class=\"mark s", series.colour, "\" r=\"", kMarkRadius, "\" cx=\"",
               svg_number(frame.x(series.x[i])), "\" cy=\"", svg_number(frame.y(series.y[i])), "\"><title>",
               escape_html(cat(series.name, ": ", short_number(series.y[i]), " at ", short_number(series.x[i]))),
               "</title></circle>");
  }
  return all;
}

std::string label(const SvgFrame& frame, const ChartSeries& series) {
  if (series.label.empty() || series.x.empty()) return "";
  return cat("<text class=\"tick end\" x=\"", svg_number(frame.x(series.x.back()) - 4), "\" y=\"",
             svg_number(frame.y(series.y.back()) - 5), "\">", escape_html(series.label), "</text>");
}

std::string event(const SvgFrame& frame, const ChartEvent& e) {
  const SvgLayout& at = frame.layout();
  const double x = frame.x(e.x), bottom = at.height - at.bottom;
  const std::string title = cat("<title>", escape_html(cat(e.what, ", ", short_number(e.x))), "</title>");
  if (e.kind == ChartEvent::Kind::line)
    return cat("<path class=\"event s", e.colour, "\" d=\"M", svg_number(x), " ", svg_number(at.top), "V",
               svg_number(bottom), "\">", title, "</path>");
  return cat("<path class=\"cross s", e.colour, "\" d=\"M", svg_number(x - 3), " ", svg_number(bottom - 8),
             "l6 6m0-6l-6 6\">", title, "</path>");
}

AxisRange y_range(const LineChart& chart) {
  AxisRange range = kNothing;
  for (const ChartSeries& series : chart.series) {
    for (const auto* values : {&series.y, &series.low, &series.high}) {
      for (const double value : *values) widen(range, value);
    }
  }
  if (chart.from_zero) widen(range, 0);
  return range;
}

AxisRange x_range(const LineChart& chart) {
  AxisRange range = kNothing;
  for (const ChartSeries& series : chart.series) {
    for (const double value : series.x) widen(range, value);
  }
  for (const ChartEvent& e : chart.events) widen(range, e.x);
  return range;
}

/// One bar; its title tells its number.
std::string bar(const SvgFrame& frame, const BarChart& chart, std::size_t s, std::size_t g) {
  const double value = chart.values[s][g];
  if (!std::isfinite(value)) return "";
  const double whole = frame.x(1) - frame.x(0), gap = 0.2 * whole;
  const double width = (whole - gap) / double(chart.series.size());
  const double left = frame.x(double(g)) + gap / 2 + double(s) * width, top = frame.y(value);
  return cat("<rect class=\"bar s", s, "\" x=\"", svg_number(left), "\" y=\"", svg_number(top), "\" width=\"",
             svg_number(std::max(width - 1, 1.0)), "\" height=\"", svg_number(frame.y(0) - top), "\"><title>",
             escape_html(cat(chart.series[s], ", ", chart.groups[g], ": ", short_number(value))), "</title></rect>");
}

}  // namespace

std::string description_of(const LineChart& chart) {
  std::string text;
  for (const ChartSeries& s : chart.series) {
    if (s.x.empty()) continue;
    text += cat(text.empty() ? "" : "; ", s.name, " from ", short_number(s.y.front()), " at ",
                short_number(s.x.front()), " to ", short_number(s.y.back()), " at ", short_number(s.x.back()));
  }
  return cat(chart.y_title, " over ", chart.x_title, ": ", text.empty() ? "nothing" : text);
}

std::string description_of(const BarChart& chart) {
  std::string text;
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    text += cat(s == 0 ? "" : "; ", chart.series[s]);
    for (std::size_t g = 0; g < chart.groups.size(); ++g) {
      if (std::isfinite(chart.values[s][g]))
        text += cat(g == 0 ? " " : ", ", chart.groups[g], ": ", short_number(chart.values[s][g]));
    }
  }
  return cat(chart.y_title, " by ", chart.x_title, ": ", text);
}

ChartAxes axes_of(const LineChart& chart) {
  const AxisRange y = y_range(chart);
  return {tight_axis(chart.x_title, x_range(chart), kTicksX),
          chart.log_y ? log_axis(chart.y_title, y) : linear_axis(chart.y_title, y, kTicksY)};
}

std::string svg_of(const LineChart& chart) {
  const ChartAxes axes = axes_of(chart);
  SvgFrame frame(chart.title, description_of(chart), axes.x, axes.y);
  for (const ChartSeries& series : chart.series) frame.add(band(frame, series));
  for (const ChartEvent& e : chart.events) frame.add(event(frame, e));
  for (const ChartSeries& series : chart.series) {
    frame.add(cat("<path class=\"", series.dotted ? "bound" : "line", " s", series.colour, "\" d=\"",
                  points(frame, series.x, series.y), "\"/>"));
    frame.add(marks(frame, series) + label(frame, series));
  }
  return frame.finish();
}

std::string svg_of(const BarChart& chart) {
  AxisRange y = kNothing;
  widen(y, 0);
  for (const auto& series : chart.values) {
    for (const double value : series) widen(y, value);
  }
  SvgAxis x{chart.x_title, {0, double(chart.groups.size())}};
  for (std::size_t g = 0; g < chart.groups.size(); ++g) x.ticks.push_back(double(g) + 0.5);
  x.labels = chart.groups;
  SvgFrame frame(chart.title, description_of(chart), x, linear_axis(chart.y_title, y, kTicksY));
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    for (std::size_t g = 0; g < chart.groups.size(); ++g) frame.add(bar(frame, chart, s, g));
  }
  return frame.finish();
}

}  // namespace md
