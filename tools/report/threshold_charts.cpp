// A step's numbers are running averages already: nothing is smoothed.
#include "tools/report/threshold_charts.h"

#include "tools/report/smoothing.h"

namespace md {
namespace {

constexpr int kMostPoints = 240;  // of a curve in a picture of 440 pixels

bool is_relative(const ReportSubject& subject) {
  return subject.config.is_object() && subject.config.value("depth-difference", "absolute") == "relative";
}

/// The most ranges that a step of the run had; 0: its thresholds are not adaptive.
std::size_t ranges_of(const RunHistory& history) {
  std::size_t most = 0;
  for (const RunHistory::Step& step : history.steps) {
    if (step.thresholds) most = std::max(most, step.thresholds->ranges.size());
  }
  return most;
}

/// `value` of those steps that have thresholds and at least so many ranges, as a line of the chart.
template <class Value>
void add_line(LineChart& chart, const ReportSubject& subject, std::size_t place, const std::string& label,
              std::size_t ranges, Value value) {
  Curve raw;
  for (const RunHistory::Step& step : subject.history->steps) {
    if (!step.thresholds || step.thresholds->ranges.size() < ranges) continue;
    raw.x.push_back(double(step.step));
    raw.y.push_back(double(value(*step.thresholds)));
  }
  if (raw.x.empty()) return;
  const ThinnedCurve thin = thinned(raw, raw, kMostPoints);
  const bool first = chart.series.empty() || chart.series.front().colour == int(place);
  chart.series.push_back({.name = subject.name + ", " + label,
                          .x = thin.x,
                          .y = thin.y,
                          .colour = int(place),
                          .label = first ? label : ""});
}

void add_thresholds(LineChart& chart, const ReportSubject& subject, std::size_t place) {
  add_line(chart, subject, place, "r_p", 0, [](const Thresholds& t) { return t.positive_below; });
  for (std::size_t j = 0; j < ranges_of(*subject.history); ++j)
    add_line(chart, subject, place, cat("range ", j + 1), j + 1, [j](const Thresholds& t) { return t.ranges[j].low; });
}

void add_margins(LineChart& chart, const ReportSubject& subject, std::size_t place) {
  for (std::size_t j = 0; j < ranges_of(*subject.history); ++j)
    add_line(chart, subject, place, cat("range ", j + 1), j + 1,
             [j](const Thresholds& t) { return t.ranges[j].margin; });
}

}  // namespace

std::vector<LineChart> threshold_charts(const std::vector<ReportSubject>& subjects) {
  LineChart metres{"Adaptive thresholds", "step", "depth difference, metres", {}};
  LineChart ratios{"Adaptive thresholds, relative", "step", "logarithm of the depths' ratio", {}};
  LineChart margins{"Adaptive margins", "step", "distance of features", {}};
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].history || ranges_of(*subjects[i].history) == 0) continue;
    add_thresholds(is_relative(subjects[i]) ? ratios : metres, subjects[i], i);
    add_margins(margins, subjects[i], i);
  }
  std::vector<LineChart> charts;
  for (LineChart* chart : {&metres, &ratios, &margins}) {
    chart->from_zero = true;
    if (!chart->series.empty()) charts.push_back(std::move(*chart));
  }
  return charts;
}

}  // namespace md
