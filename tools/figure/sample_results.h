// How good runs became, by how many samples MetricDepth took in them.
#pragma once
#include <string>
#include <vector>

namespace md {

/// A training run.
struct SampleResult {
  int n_within = 0, n_across = 0;  // both 0: without MetricDepth
  double abs_rel = 0;
};

/// Of a run's folder its last evaluation; of a folder of tools/experiments, which has a run in `run`, its results.json.
/// Throws ErrorKind::missing or ErrorKind::bad_data, naming the folder, where it is neither or nothing was evaluated.
SampleResult sample_result(const std::string& folder);

/// Runs with the same numbers of samples: their mean, and from where to where they go.
struct SamplePoint {
  double samples, mean, low, high;
};

/// The points of one kind of runs, by their number of samples.
std::vector<SamplePoint> sample_points(const std::vector<std::pair<int, double>>& samples_and_abs_rel);

}  // namespace md
