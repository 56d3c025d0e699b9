// A chart of the report as a figure.
#pragma once
#include "tools/figure/drawing.h"
#include "tools/report/svg_chart.h"

namespace md {

/// Its lines, with whiskers where a series has a band, and the series' names below. Events are left out.
Drawing drawing_of(const LineChart&);

}  // namespace md
