// What a run was made with stands in its checkpoint.
#include "tools/figure/sample_results.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/check.h"
#include "tools/eval/results.h"
#include "tools/report/run_history.h"
#include "tools/report/run_subject.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

namespace fs = std::filesystem;

double last_abs_rel(const std::string& run) {
  const RunHistory history = read_history(run);
  if (history.evaluations.empty()) fail(ErrorKind::bad_data, run, ": the run has evaluated nothing (--eval-list)");
  return history.evaluations.back().measures.at("abs_rel");
}

double mean_abs_rel(const std::string& results) {
  double sum = 0, images = 0;
  for (const ImageScore& image : read_results(results).per_image) {
    if (!image.metrics) continue;
    sum += image.metrics->abs_rel;
    ++images;
  }
  if (images == 0) fail(ErrorKind::bad_data, results, ": no image in it is scored");
  return sum / images;
}

}  // namespace

SampleResult sample_result(const std::string& folder) {
  std::error_code ignored;
  const fs::path results = fs::path(folder) / "results.json";
  const bool of_experiments = fs::exists(results, ignored);
  const std::string run = of_experiments ? (fs::path(folder) / "run").string() : folder;
  const nlohmann::json config = Checkpoint(network_of_run(run)).state().config;
  SampleResult result;
  if (config.value("metric-depth", false)) {
    result.n_within = config.value("n-within", 0);
    result.n_across = config.value("n-across", 0);
  }
  result.abs_rel = of_experiments ? mean_abs_rel(results.string()) : last_abs_rel(run);
  return result;
}

std::vector<SamplePoint> sample_points(const std::vector<std::pair<int, double>>& runs) {
  std::map<int, std::vector<double>> by_samples;
  for (const auto& [samples, abs_rel] : runs) by_samples[samples].push_back(abs_rel);
  std::vector<SamplePoint> points;
  for (const auto& [samples, values] : by_samples) {
    double sum = 0;
    for (const double value : values) sum += value;
    points.push_back({double(samples), sum / double(values.size()), *std::ranges::min_element(values),
                      *std::ranges::max_element(values)});
  }
  return points;
}

}  // namespace md
