// The report: one HTML file that needs no network and no script to be read.
#pragma once
#include <string>
#include <vector>

#include "tools/report/sections.h"

namespace md {

/// The page. Throws ErrorKind::bad_data where evaluations are of other images or protocols than the first's.
std::string report_html(const std::vector<ReportSubject>&, const ReportSpec&);

}  // namespace md
