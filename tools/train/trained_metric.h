// MetricDepth as a checkpoint was trained with it.
#pragma once
#include <optional>

#include "losses/metric_depth.h"
#include "tools/run/checkpoint.h"

namespace md {

/// Its options; adaptive thresholds and margins as they stood then. Nothing where the network was trained without it,
/// or before adaptive ones were told. Throws ErrorKind::bad_data where the checkpoint's config or state is none.
std::optional<MetricDepthOptions> trained_metric(const RunState&);

/// How far a pair of the range whose depths differ by D_r is pushed apart.
float margin_at(const MetricDepthOptions&, const MetricDepthPairs::Range&, float difference);

}  // namespace md
