// The section about feature maps, on which MetricDepth acts.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/report/inline_picture.h"
#include "tools/report/sections.h"
#include "tools/report/shown_frame.h"

namespace md {

/// What was shown of one method, frame by frame.
struct ShownSubject {
  std::size_t place = 0;  // of the subject
  std::vector<ShownFrame> frames = {};
};

/// Of those frames that were shown with features; null where none was.
nlohmann::json features_section(const std::vector<ReportSubject>&, const std::vector<ShownSubject>&, const ReportSpec&,
                                const PictureBudget&);

}  // namespace md
