// The sections, put into templates/report.html.
#include "tools/report/report.h"

#include <chrono>
#include <ctime>

#include "tools/report/assets.h"
#include "tools/report/template.h"

namespace md {
namespace {

using nlohmann::json;

/// "2026-11-29 16:04 UTC".
std::string now_utc() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &utc));
  return text;
}

/// Bytes that are no UTF-8 would end the page's JSON: they become question marks.
std::string utf8(const std::string& text) {
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

std::string report_html(const std::vector<ReportSubject>& subjects, const ReportSpec& spec) {
  json values{{"title", utf8(spec.title)},
              {"made", now_utc()},
              {"style", cat(asset("report.css"), asset("chart.css"))},
              {"script", asset("report.js")},
              {"measures", measures_section(subjects, spec)},
              {"curves", curves_section(subjects)},
              {"errors", errors_section(subjects)},
              {"about", about_section(subjects)}};
  PictureSections pictures = picture_sections(subjects, spec);
  values["frames"] = std::move(pictures.frames);
  values["features"] = std::move(pictures.features);
  values["several"] = subjects.size() > 1;
  for (std::size_t i = 0; i < subjects.size(); ++i) values["subjects"].push_back(key_of(subjects, i));
  return fill_template(asset("report.html"), values);
}

}  // namespace md
