// The report's axes (tools/report/svg_chart.h), in ink.
#include "tools/figure/chart_drawing.h"

#include <array>
#include <cmath>

#include "tools/figure/glyphs.h"
#include "tools/report/svg_frame.h"

namespace md {
namespace {

constexpr SvgLayout kLayout{.width = 640, .height = 400, .left = 78, .right = 20, .top = 20, .bottom = 76};
constexpr double kWhisker = 4, kKeyLine = 22;

Rgb colour_of_series(int series) {
  constexpr std::array<Rgb, 4> colours{{{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {90, 90, 90}}};
  return colours[std::size_t(series) % colours.size()];
}

void draw_axes(Drawing& drawing, const SvgFrame& frame, const ChartAxes& axes) {
  const double left = kLayout.left, right = kLayout.width - kLayout.right, bottom = kLayout.height - kLayout.bottom;
  for (std::size_t i = 0; i < axes.y.ticks.size(); ++i) {
    const double y = frame.y(axes.y.ticks[i]);
    drawing.lines.push_back({{{left, y}, {right, y}}, kGridInk, 1});
    drawing.texts.push_back({{left - 8, y + 4.5}, tick_text(axes.y, i), FigureText::Align::end, kSoftInk});
  }
  drawing.lines.push_back({{{left, bottom}, {right, bottom}}, kSoftInk, 1});
  for (std::size_t i = 0; i < axes.x.ticks.size(); ++i) {
    const double x = frame.x(axes.x.ticks[i]);
    drawing.lines.push_back({{{x, bottom}, {x, bottom + 4}}, kSoftInk, 1});
    drawing.texts.push_back({{x, bottom + 18}, tick_text(axes.x, i), FigureText::Align::middle, kSoftInk});
  }
  drawing.texts.push_back({{(left + right) / 2, bottom + 38}, axes.x.title, FigureText::Align::middle});
  drawing.texts.push_back({{18, (kLayout.top + bottom) / 2}, axes.y.title, FigureText::Align::middle, kInk, true});
}

void draw_whiskers(Drawing& drawing, const SvgFrame& frame, const ChartSeries& series, const Rgb& colour) {
  for (std::size_t i = 0; i < series.low.size(); ++i) {
    if (!(series.low[i] < series.high[i])) continue;
    const double x = frame.x(series.x[i]), low = frame.y(series.low[i]), high = frame.y(series.high[i]);
    drawing.lines.push_back({{{x, low}, {x, high}}, colour, 1});
    for (const double y : {low, high}) drawing.lines.push_back({{{x - kWhisker, y}, {x + kWhisker, y}}, colour, 1});
  }
}

void draw_series(Drawing& drawing, const SvgFrame& frame, const ChartSeries& series) {
  const Rgb colour = colour_of_series(series.colour);
  std::vector<FigurePoint> points;
  for (std::size_t i = 0; i < series.x.size(); ++i) points.push_back({frame.x(series.x[i]), frame.y(series.y[i])});
  draw_whiskers(drawing, frame, series, colour);
  for (std::size_t i = 0; series.marks && i < points.size(); ++i) drawing.dots.push_back({points[i], 4.5, colour});
  drawing.lines.push_back({points, colour, 1.75, series.dotted});
}

void draw_keys(Drawing& drawing, const std::vector<ChartSeries>& all) {
  double x = kLayout.left;
  const double y = kLayout.height - 12;
  for (const ChartSeries& series : all) {
    const Rgb colour = colour_of_series(series.colour);
    drawing.lines.push_back({{{x, y - 4.5}, {x + kKeyLine, y - 4.5}}, colour, 1.75, series.dotted});
    if (series.marks) drawing.dots.push_back({{x + kKeyLine / 2, y - 4.5}, 4.5, colour});
    drawing.texts.push_back({{x + kKeyLine + 6, y}, series.name});
    x += kKeyLine + 6 + text_width(series.name) + 20;
  }
}

}  // namespace

Drawing drawing_of(const LineChart& chart) {
  const ChartAxes axes = axes_of(chart);
  const SvgFrame frame(chart.title, description_of(chart), axes.x, axes.y, kLayout);
  Drawing drawing{
      .title = chart.title + ". " + description_of(chart), .width = int(kLayout.width), .height = int(kLayout.height)};
  draw_axes(drawing, frame, axes);
  for (const ChartSeries& series : chart.series) draw_series(drawing, frame, series);
  draw_keys(drawing, chart.series);
  return drawing;
}

}  // namespace md
