#include "tools/bench/bench_against.h"

#include "engine/check.h"
#include "engine/printed.h"
#include "tools/cli/file_contents.h"

namespace md {

using Json = nlohmann::ordered_json;

namespace {

/// Reports of before --against came, or compared memory, lack a spread.
bool has_spread(const Json& report) {
  const Json rows = report.value("rows", Json::array());
  return (report.contains("spread_s") && report.contains("spread_mb")) ||
         (!rows.empty() && rows[0].contains("spread_s")) || report.contains("waited_s");
}

}  // namespace

Json read_earlier(const std::string& file, const Json& now) {
  const Json earlier = Json::parse(contents_of(file), nullptr, false);
  if (!earlier.is_object()) fail(ErrorKind::bad_data, "--against ", file, ": not a report of mdbench --json");
  for (const char* key : {"threads", "device"}) {
    const Json was = earlier.value(key, Json()), is = now.value(key, Json());
    if (was != is)
      fail(ErrorKind::bad_data, "--against ", file, ": ", key, " was ", was.dump(), ", and now is ", is.dump());
  }
  for (const auto& [name, report] : earlier.items()) {
    if (report.is_object() && !has_spread(report))
      fail(ErrorKind::bad_data, "--against ", file, ": ", name, " has no spread; it was written by an older mdbench");
  }
  return earlier;
}

Json earlier_row(const Json& table, const Json& row) {
  for (const Json& candidate : table.value("rows", Json::array())) {
    const auto same = [&](const char* key) { return candidate.value(key, Json()) == row.at(key); };
    if (same("op") && same("input") && same("pass")) return candidate;
  }
  return Json::object();
}

std::string against(const Json& before, const Json& now, const char* key, const std::string& spread) {
  if (before.empty()) return "";
  const auto number = [](const Json& x) { return x.get<double>(); };
  const bool memory = spread == "spread_mb";
  const double ratio = number(now.at(key)) / number(before.at(key)), least = memory ? 0.01 : 0;
  const std::string text = printed(memory ? "   %.2f of its memory" : "   %.2f of before", ratio);
  const Json &was = before.at(spread), &is = now.at(spread);
  if (number(is.at(0)) > number(was.at(1)) && ratio > 1 + least) return text + (memory ? ": MORE" : ": SLOWER");
  if (number(is.at(1)) < number(was.at(0)) && ratio < 1 - least) return text + (memory ? ": less" : ": faster");
  return text;
}

}  // namespace md
