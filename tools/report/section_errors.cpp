// Three charts and a grid, each from the sums of a Breakdown.
#include <algorithm>
#include <cmath>

#include "data/quantile.h"
#include "engine/printed.h"
#include "tools/report/sections.h"
#include "tools/report/svg_chart.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;
using Bins = std::vector<ErrorSums>;

constexpr int kScaleBins = 24;

double pixels_of(const Bins& bins) {
  double all = 0;
  for (const ErrorSums& sums : bins) all += sums.pixels;
  return all;
}

/// AbsRel as a fraction with four decimals; nothing where no pixel is.
std::string number(double value) { return std::isfinite(value) ? printed("%.4f", value) : "\u2013"; }

/// A chart of AbsRel and a table of all numbers, over the bins that `of` takes from a Breakdown.
template <class Of>
json binned(const Subjects& subjects, const BarChart& empty, Of of) {
  BarChart chart = empty;
  json rows = json::array();
  const Bins* first = nullptr;
  for (const ReportSubject& subject : subjects) {
    std::vector<double> values;
    if (subject.evaluated) {
      const Bins& bins = of(subject.evaluated->breakdown);
      if (!first) first = &bins;
      for (const ErrorSums& sums : bins) values.push_back(sums.abs_rel());
    }
    chart.series.push_back(subject.name);  // also of one without an evaluation: colours are by place
    values.resize(chart.groups.size(), std::nan(""));
    chart.values.push_back(values);
  }
  for (std::size_t g = 0; g < chart.groups.size(); ++g) {
    json row{{"group", chart.groups[g]}, {"share", printed("%.1f", 100 * (*first)[g].pixels / pixels_of(*first))}};
    for (const ReportSubject* subject : evaluated_subjects(subjects)) {
      const ErrorSums& sums = of(subject->evaluated->breakdown)[g];
      row["values"].push_back({{"abs_rel", number(sums.abs_rel())}, {"rmse", number(sums.rmse_m())}});
    }
    rows.push_back(row);
  }
  json names = json::array();
  for (const ReportSubject* subject : evaluated_subjects(subjects)) names.push_back(subject->name);
  return {{"title", chart.title}, {"svg", svg_of(chart)}, {"rows", rows}, {"names", names}, {"x", chart.x_title}};
}

json by_depth(const Subjects& subjects, float far_m) {
  BarChart chart{"Error by depth", "ground truth, metres", "AbsRel", {}, {}, {}};
  const double step = double(far_m) / Breakdown::kDepthBins;
  for (int i = 0; i < Breakdown::kDepthBins; ++i)
    chart.groups.push_back(cat(short_number(i * step), "\u2013", short_number((i + 1) * step)));
  return binned(subjects, chart, [](const Breakdown& b) -> const Bins& { return b.by_depth(); });
}

json by_edge(const Subjects& subjects) {
  BarChart chart{"Error by distance to a depth edge", "distance, pixels", "AbsRel", {}, {}, {}};
  const std::vector<float>& begins = Breakdown::edge_distances();
  for (std::size_t i = 0; i < begins.size(); ++i)
    chart.groups.push_back(i + 1 < begins.size() ? cat(begins[i], "\u2013", begins[i + 1]) : cat("\u2265 ", begins[i]));
  return binned(subjects, chart, [](const Breakdown& b) -> const Bins& { return b.by_edge(); });
}

/// A grid for each subject, shaded from the smallest error of all to the largest.
json by_region(const Subjects& subjects) {
  double least = INFINITY, most = 0;
  for (const ReportSubject* subject : evaluated_subjects(subjects)) {
    for (const ErrorSums& sums : subject->evaluated->breakdown.by_region()) {
      if (!(sums.pixels > 0)) continue;
      least = std::min(least, sums.abs_rel());
      most = std::max(most, sums.abs_rel());
    }
  }
  json grids = json::array();
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].evaluated) continue;
    json grid = key_of(subjects, i);
    const Bins& bins = subjects[i].evaluated->breakdown.by_region();
    for (int row = 0; row < Breakdown::kRegions; ++row) {
      json cells = json::array();
      for (int column = 0; column < Breakdown::kRegions; ++column) {
        const double error = bins[std::size_t(row * Breakdown::kRegions + column)].abs_rel();
        const double part = most > least && std::isfinite(error) ? (error - least) / (most - least) : 0;
        cells.push_back({{"value", number(error)}, {"percent", int(std::lround(100 * part))}});
      }
      grid["rows"].push_back({{"cells", cells}});
    }
    grids.push_back(grid);
  }
  return grids;
}

/// How many images have which ratio, from the smallest of all subjects to the largest.
json scale(const Subjects& subjects) {
  AxisRange range{1, 1};
  for (const ReportSubject* subject : evaluated_subjects(subjects)) {
    range.low = std::min(range.low, quantile(subject->evaluated->breakdown.scales(), 0.01));
    range.high = std::max(range.high, quantile(subject->evaluated->breakdown.scales(), 0.99));
  }
  range = nice_range(range, 6);
  const double step = (range.high - range.low) / kScaleBins;
  LineChart chart{"Scale of each image", "median prediction / median ground truth", "share of images, %", {}};
  json rows = json::array();
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].evaluated) continue;
    const std::vector<double>& scales = subjects[i].evaluated->breakdown.scales();
    ChartSeries series{.name = subjects[i].name, .x = {}, .y = {}, .colour = int(i)};
    for (int bin = 0; bin < kScaleBins; ++bin) {
      const double from = range.low + bin * step, to = bin + 1 == kScaleBins ? INFINITY : from + step;
      const auto inside = std::ranges::count_if(scales, [&](double s) { return s < to && (bin == 0 || s >= from); });
      const double percent = 100.0 * double(inside) / double(scales.size());
      series.x.insert(series.x.end(), {from, from + step});
      series.y.insert(series.y.end(), {percent, percent});
    }
    series.low.assign(series.y.size(), 0);
    series.high = series.y;
    chart.series.push_back(std::move(series));
    json row = key_of(subjects, i);
    row["median"] = printed("%.3f", quantile(scales, 0.5));
    row["low"] = printed("%.3f", quantile(scales, 0.05));
    row["high"] = printed("%.3f", quantile(scales, 0.95));
    rows.push_back(row);
  }
  chart.events.push_back({1, "right scale"});
  chart.from_zero = true;
  return {{"title", chart.title}, {"svg", svg_of(chart)}, {"rows", rows}};
}

}  // namespace

json errors_section(const Subjects& subjects) {
  const std::vector<const ReportSubject*> evaluated = evaluated_subjects(subjects);
  if (evaluated.empty()) return nullptr;
  json charts = json::array();
  charts.push_back(by_depth(subjects, evaluated.front()->evaluated->breakdown.far_m()));
  charts.push_back(by_edge(subjects));
  return {{"charts", charts}, {"regions", by_region(subjects)}, {"scale", scale(subjects)}};
}

}  // namespace md
