// How MetricDepth's thresholds and margins went where they are adaptive.
#pragma once
#include <vector>

#include "tools/report/report_subject.h"
#include "tools/report/svg_chart.h"

namespace md {

/// Over the steps: r_p and where each range begins, one chart for runs that compare metres and one for ratios, then the
/// margins. Only charts that some run has lines in; those of the first such run have names at their ends.
std::vector<LineChart> threshold_charts(const std::vector<ReportSubject>&);

}  // namespace md
