// The config has what was given, the state what came from the data.
#include "tools/train/trained_metric.h"

#include "losses/adaptive_pairs.h"
#include "tools/cli/option_table.h"
#include "tools/train/train_command.h"

namespace md {

std::optional<MetricDepthOptions> trained_metric(const RunState& state) {
  TrainOptions options;
  train_table(options).read(state.config);
  if (!options.metric_depth) return std::nullopt;
  if (!options.adaptive_thresholds) {
    options.metric.ranges = parse_ranges(options.ranges, options.margins);
    return options.metric;
  }
  const auto known = state.terms.find("metric_depth");
  if (known == state.terms.end()) return std::nullopt;
  AdaptivePairs adaptive(options.metric);
  adaptive.set_state(known->second);
  const MetricDepthOptions now = adaptive.options();
  return now.ranges.empty() ? std::nullopt : std::optional(now);
}

float margin_at(const MetricDepthOptions& options, const MetricDepthPairs::Range& range, float difference) {
  return options.proportional_margins ? range.margin / centre_of(range) * difference : range.margin;
}

}  // namespace md
