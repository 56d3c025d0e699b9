// The sections of a report, each as the values that its part of templates/report.html asks for. A section that has
// nothing to say is null.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/report/report_subject.h"

namespace md {

/// How many frames are shown, and where the anchor of the features lies.
struct ReportSpec {
  std::string title = "Depth report";
  int frames = 9;
  float anchor_row = 0.5F, anchor_column = 0.5F;  // of the picture, 0 to 1
  std::uint64_t seed = 0;                         // of the bootstrap of paired differences
};

/// Learning curves: losses, learning rate, evaluations, what was skipped and resumed.
nlohmann::json curves_section(const std::vector<ReportSubject>&);

/// The measures with their 95 % intervals, paired differences to the first subject, and what the paper reports.
nlohmann::json measures_section(const std::vector<ReportSubject>&, const ReportSpec&);

/// Error by depth, by part of the image, by distance to a depth edge; scale image by image.
nlohmann::json errors_section(const std::vector<ReportSubject>&);

/// The worst, middle and best frames as pictures, and what the features of some of them look like. They share one pass
/// over the frames. REQUIRES: evaluations of one list.
struct PictureSections {
  nlohmann::json frames, features;
};
PictureSections picture_sections(const std::vector<ReportSubject>&, const ReportSpec&);

/// Configuration, data check, environment, and how to repeat it.
nlohmann::json about_section(const std::vector<ReportSubject>&);

/// "s0" to "s7": the class of a subject's colour, and its name.
nlohmann::json key_of(const std::vector<ReportSubject>&, std::size_t subject);

}  // namespace md
