// A chart for each loss, one for each measure of the evaluations, one for the learning rate.
#include <algorithm>
#include <cmath>

#include "engine/printed.h"
#include "engine/text.h"
#include "tools/report/sections.h"
#include "tools/report/smoothing.h"
#include "tools/report/svg_chart.h"
#include "tools/report/threshold_charts.h"

namespace md {
namespace {

using nlohmann::json;

constexpr int kMostPoints = 240;        // of a curve in a picture of 440 pixels
constexpr double kHalfLives = 40;       // in a run
constexpr std::size_t kMostNamed = 12;  // skipped steps

using Subjects = std::vector<ReportSubject>;

template <class Value>
Curve curve_of(const RunHistory& history, Value value) {
  Curve curve;
  for (const RunHistory::Step& step : history.steps) {
    const double y = value(step);
    if (!std::isfinite(y)) continue;
    curve.x.push_back(double(step.step));
    curve.y.push_back(y);
  }
  return curve;
}

double half_life_of(const RunHistory& history) {
  return std::max(1.0, double(history.steps.back().step - history.steps.front().step) / kHalfLives);
}

std::vector<ChartEvent> events_of(const Subjects& subjects) {
  std::vector<ChartEvent> events;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].history) continue;
    for (const RunHistory::Event& e : subjects[i].history->continued)
      events.push_back({double(e.step), cat(subjects[i].name, ": ", e.what), ChartEvent::Kind::line, int(i)});
    for (const RunHistory::Event& e : subjects[i].history->skipped)
      events.push_back({double(e.step), cat(subjects[i].name, ": ", e.what), ChartEvent::Kind::cross, int(i)});
  }
  return events;
}

/// Subjects that have steps, with their places.
template <class Each>
void each_history(const Subjects& subjects, Each each) {
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].history && !subjects[i].history->steps.empty()) each(i, *subjects[i].history);
  }
}

LineChart loss_chart(const Subjects& subjects, const std::string& loss) {
  LineChart chart{loss == "loss" ? "Training loss" : "Training loss: " + loss, "step", loss, {}};
  each_history(subjects, [&](std::size_t i, const RunHistory& history) {
    const Curve raw = curve_of(history, [&](const RunHistory::Step& step) {
      const auto found = step.losses.find(loss);
      return found == step.losses.end() ? std::nan("") : found->second;
    });
    if (raw.x.empty()) return;
    const ThinnedCurve thin = thinned(raw, smoothed(raw, half_life_of(history)), kMostPoints);
    chart.series.push_back({subjects[i].name, thin.x, thin.y, thin.low, thin.high, int(i)});
  });
  chart.events = events_of(subjects);
  return chart;
}

LineChart rate_chart(const Subjects& subjects) {
  LineChart chart{"Learning rate", "step", "learning rate", {}};
  each_history(subjects, [&](std::size_t i, const RunHistory& history) {
    const Curve raw = curve_of(history, [](const RunHistory::Step& step) { return step.lr; });
    const ThinnedCurve thin = thinned(raw, raw, kMostPoints);
    chart.series.push_back({subjects[i].name, thin.x, thin.y, {}, {}, int(i)});
  });
  chart.from_zero = true;
  return chart;
}

LineChart measure_chart(const Subjects& subjects, const char* key, const std::string& title) {
  LineChart chart{title + " of evaluations", "step", title, {}};
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (!subjects[i].history) continue;
    ChartSeries series{.name = subjects[i].name, .x = {}, .y = {}, .colour = int(i), .marks = true};
    for (const RunHistory::Evaluation& evaluation : subjects[i].history->evaluations) {
      series.x.push_back(double(evaluation.step));
      series.y.push_back(evaluation.measures.value(key, std::nan("")));
    }
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

void add_chart(json& charts, const LineChart& chart) {
  if (!chart.series.empty()) charts.push_back({{"title", chart.title}, {"svg", svg_of(chart)}});
}

/// "800 steps of 0.42 s, 3 % of it waiting for data; 2 skipped: ..."
json facts_of(const ReportSubject& subject) {
  const RunHistory& history = *subject.history;
  double seconds = 0, waited = 0;
  for (const RunHistory::Step& step : history.steps) {
    seconds += step.seconds;
    waited += step.waited_s;
  }
  std::string text = counted(i64(history.steps.size()), "step");
  if (seconds > 0)
    text += printed(", %.3g s each, %.0f %% of it waiting for data", seconds / double(history.steps.size()),
                    100 * waited / seconds);
  std::vector<std::string> skipped;
  for (const RunHistory::Event& e : history.skipped) {
    if (skipped.size() < kMostNamed) skipped.push_back(cat(e.step, " (", e.what, ")"));
  }
  if (history.skipped.size() > kMostNamed) skipped.push_back(cat("and ", history.skipped.size() - kMostNamed, " more"));
  std::vector<std::string> continued;
  for (const RunHistory::Event& e : history.continued) continued.push_back(cat(e.what, " after step ", e.step));
  return {{"text", text},
          {"skipped", skipped.empty() ? "none" : listed(skipped)},
          {"continued", continued.empty() ? "never" : listed(continued)},
          {"replaced", history.replaced_frames}};
}

}  // namespace

json curves_section(const Subjects& subjects) {
  json charts = json::array(), runs = json::array();
  std::vector<std::string> losses;
  each_history(subjects, [&](std::size_t i, const RunHistory& history) {
    for (const std::string& loss : history.loss_names()) {
      if (std::ranges::find(losses, loss) == losses.end()) losses.push_back(loss);
    }
    json run = key_of(subjects, i);
    run.update(facts_of(subjects[i]));
    runs.push_back(run);
  });
  if (runs.empty()) return nullptr;
  add_chart(charts, measure_chart(subjects, "abs_rel", "AbsRel"));
  add_chart(charts, measure_chart(subjects, "rmse", "RMSE, metres"));
  add_chart(charts, measure_chart(subjects, "d1", "d1"));
  if (losses.size() == 2) losses.erase(losses.begin());  // the loss is its only term
  for (const std::string& loss : losses) add_chart(charts, loss_chart(subjects, loss));
  const std::vector<LineChart> adaptive = threshold_charts(subjects);
  for (const LineChart& chart : adaptive) add_chart(charts, chart);
  add_chart(charts, rate_chart(subjects));
  return {{"charts", charts}, {"runs", runs}, {"half_lives", int(kHalfLives)}, {"adaptive", !adaptive.empty()}};
}

}  // namespace md
