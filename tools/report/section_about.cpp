// What a reader needs to trust a result and to make it again.
#include <map>
#include <set>

#include "engine/text.h"
#include "tools/report/sections.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;

std::string value_of(const json& config, const std::string& key) {
  if (!config.is_object() || !config.contains(key)) return "\u2013";
  return config[key].is_string() ? config[key].get<std::string>() : config[key].dump();
}

/// The options in which the subjects differ, with the value of each.
json differences(const Subjects& subjects) {
  std::set<std::string> keys;
  for (const ReportSubject& subject : subjects) {
    if (!subject.config.is_object()) return json::array();
    for (const auto& [key, ignored] : subject.config.items()) keys.insert(key);
  }
  json rows = json::array();
  for (const std::string& key : keys) {
    json values = json::array();
    std::set<std::string> different;
    for (const ReportSubject& subject : subjects) {
      values.push_back(value_of(subject.config, key));
      different.insert(value_of(subject.config, key));
    }
    if (different.size() > 1) rows.push_back({{"key", key}, {"values", values}});
  }
  return rows;
}

json subject_facts(const Subjects& subjects, std::size_t i) {
  const ReportSubject& subject = subjects[i];
  json facts = key_of(subjects, i);
  facts["facts"] = json::array();
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) facts["facts"].push_back({{"what", what}, {"value", value}});
  };
  add("checkpoint", subject.checkpoint);
  add("network", subject.net);
  add("written by", subject.git);
  add("computed on", subject.computed_on);
  if (subject.evaluated) {
    const Evaluation& evaluation = subject.evaluated->results.evaluation;
    add("evaluated on", cat(subject.evaluated->list, " in ", subject.evaluated->data_folder));
    add("frames",
        cat(evaluation.images, " scored, ", evaluation.missing, " without ground truth or with none that is scored"));
  }
  add("training data", subject.data_check);
  facts["repeat"] = listed(subject.repeat, "\n");
  facts["config"] = subject.config_toml;
  return facts;
}

}  // namespace

json key_of(const Subjects& subjects, std::size_t subject) {
  constexpr std::size_t colours = 8;  // of report.css
  return {{"name", subjects[subject].name}, {"colour", cat("s", subject % colours)}};
}

json about_section(const Subjects& subjects) {
  json section{{"version", MD_VERSION}};
  for (std::size_t i = 0; i < subjects.size(); ++i) section["subjects"].push_back(subject_facts(subjects, i));
  const json options = subjects.size() > 1 ? differences(subjects) : json::array();
  section["comparison"] = options.empty() ? json() : json{{"options", options}};
  return section;
}

}  // namespace md
