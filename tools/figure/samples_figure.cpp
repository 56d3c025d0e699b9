// Within alone, across alone and both are series of their own, as in the paper's Tables III to V.
#include <algorithm>

#include "tools/figure/chart_drawing.h"
#include "tools/figure/figures.h"
#include "tools/figure/sample_results.h"

namespace md {
namespace {

using Runs = std::vector<std::pair<int, double>>;

void add_series(LineChart& chart, const std::string& name, const Runs& runs, int colour) {
  if (runs.empty()) return;
  ChartSeries series{.name = name, .x = {}, .y = {}, .colour = colour, .marks = true};
  for (const SamplePoint& point : sample_points(runs)) {
    series.x.push_back(point.samples);
    series.y.push_back(point.mean);
    series.low.push_back(point.low);
    series.high.push_back(point.high);
  }
  chart.series.push_back(std::move(series));
}

/// Runs without MetricDepth, as a line across.
void add_baseline(LineChart& chart, const Runs& runs) {
  if (runs.empty()) return;
  double most = 1;
  for (const ChartSeries& series : chart.series) most = std::max(most, series.x.back());
  const double mean = sample_points(runs).front().mean;
  chart.series.push_back({.name = "without", .x = {0, most}, .y = {mean, mean}, .colour = 3, .dotted = true});
}

}  // namespace

Drawing samples_figure(const std::vector<std::string>& folders) {
  Runs within, across, both, without;
  for (const std::string& folder : folders) {
    const SampleResult run = sample_result(folder);
    const int samples = run.n_within + run.n_across;
    Runs& kind = samples == 0 ? without : run.n_across == 0 ? within : run.n_within == 0 ? across : both;
    kind.emplace_back(samples, run.abs_rel);
  }
  LineChart chart{"AbsRel against the number of samples", "samples of an anchor", "AbsRel", {}};
  add_series(chart, "within", within, 0);
  add_series(chart, "across", across, 1);
  add_series(chart, "within and across", both, 2);
  add_baseline(chart, without);
  return drawing_of(chart);
}

}  // namespace md
