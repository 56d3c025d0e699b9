// MetricDepth's thresholds and margins as they stand at a step (--thresholds adaptive), in metrics.jsonl and out of it:
// {"positive-below": 0.12, "ranges": ["0.5-0.8", "0.8-inf"], "margins": [1.5, 3]}, the options of a run that would be
// trained with these numbers.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "losses/metric_depth.h"

namespace md {

/// What the depth differences of pairs are held against, and the margins; metres, or logarithms of ratios.
struct Thresholds {
  float positive_below = 0;
  std::vector<MetricDepthPairs::Range> ranges;
};

/// Those of the options.
Thresholds thresholds_of(const MetricDepthOptions&);

/// The numbers in their shortest form, from which they come back bit for bit.
nlohmann::ordered_json thresholds_json(const Thresholds&);
/// Throws nlohmann's exceptions, or ErrorKind::usage, where it is none of those.
Thresholds read_thresholds(const nlohmann::json&);

}  // namespace md
