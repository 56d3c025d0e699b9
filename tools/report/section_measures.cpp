// Ours first, then how they differ pair by pair, then the paper's table by itself.
#include <map>

#include "engine/text.h"
#include "tools/cli/text_table.h"
#include "tools/eval/paired.h"
#include "tools/report/paper_results.h"
#include "tools/report/sections.h"

namespace md {
namespace {

using nlohmann::json;
using Subjects = std::vector<ReportSubject>;

std::string unit_of(const MetricField& field) {
  static const std::map<std::string, std::string> units{{"sq_rel", "m"}, {"rmse", "m"}, {"irmse", "1/km"}};
  const auto found = units.find(field.key);
  return found == units.end() ? "" : found->second;
}

json columns_of(const Protocol& protocol) {
  json columns = json::array();
  for (const MetricField* field : table_columns(protocol)) {
    columns.push_back({{"title", field->title},
                       {"unit", unit_of(*field)},
                       {"better", field->higher ? "higher is better" : "lower is better"},
                       {"arrow", field->higher ? "\u2191" : "\u2193"}});
  }
  return columns;
}

json row_of(const Subjects& subjects, std::size_t i) {
  const Results& results = subjects[i].evaluated->results;
  json row = key_of(subjects, i);
  row["images"] = results.evaluation.images;
  for (const MetricField* field : table_columns(results.protocol)) {
    const Interval interval = results.intervals.of(*field);
    row["values"].push_back({{"value", table_number(results.evaluation.mean.*field->value)},
                             {"low", table_number(interval.low)},
                             {"high", table_number(interval.high)}});
  }
  return row;
}

NamedScores scores_of(const ReportSubject& subject) {
  return {subject.name, subject.evaluated->results.protocol, subject.evaluated->results.evaluation.per_image};
}

/// How a subject differs from the first: with the interval of the mean of differences image by image.
json difference_of(const Subjects& subjects, std::size_t first, std::size_t i, std::uint64_t seed) {
  const PairedImages pairs = pair_images(scores_of(subjects[first]), scores_of(subjects[i]));
  const Protocol& protocol = subjects[i].evaluated->results.protocol;
  const Metrics a = mean_metrics(pairs.a, protocol.averaging), b = mean_metrics(pairs.b, protocol.averaging);
  const Intervals intervals = bootstrap_difference(pairs.a, pairs.b, protocol.averaging, {.seed = seed});
  json row = key_of(subjects, i);
  for (const MetricField* field : table_columns(protocol)) {
    const Interval interval = intervals.of(*field);
    const Better better = better_of(*field, interval);
    const std::string word = better == Better::b ? "better" : better == Better::a ? "worse" : "same";
    row["values"].push_back({{"value", table_number(b.*field->value - a.*field->value, "+")},
                             {"low", table_number(interval.low, "+")},
                             {"high", table_number(interval.high, "+")},
                             {"verdict", better == Better::unclear ? "no clear difference" : word},
                             {"class", word}});
  }
  return row;
}

/// The paper writes ".105".
std::string with_leading_zero(const std::string& number) { return number.starts_with('.') ? "0" + number : number; }

/// The paper's rows for a network, and for each subject with it whether it may be compared.
json paper_table(const PaperRows& paper, const Subjects& subjects, const std::vector<std::size_t>& with_net) {
  const Protocol& protocol = subjects[with_net.front()].evaluated->results.protocol;
  json table{{"table", paper.table}, {"dataset", paper.dataset}, {"source", paper.source}};
  for (const PaperRow& row : paper.rows) {
    json values = json::array();
    for (const MetricField* field : table_columns(protocol)) {
      const auto found = row.measures.find(field->key);
      values.push_back(found == row.measures.end() ? "\u2013" : with_leading_zero(found->second));
    }
    table["rows"].push_back(
        {{"method", row.method}, {"ranges", row.ranges}, {"margins", row.margins}, {"values", values}});
  }
  for (const std::size_t i : with_net) {
    json subject = key_of(subjects, i);
    subject["why"] = listed(not_comparable(subjects[i].evaluated->results), "; ");
    table["subjects"].push_back(subject);
  }
  return table;
}

json paper_tables(const Subjects& subjects) {
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> with_net;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].evaluated && !subjects[i].net.empty())
      with_net[{subjects[i].net, subjects[i].evaluated->results.protocol.dataset}].push_back(i);
  }
  json tables = json::array();
  for (const auto& [net_and_data, places] : with_net) {
    if (const auto paper = paper_rows(net_and_data.first, net_and_data.second))
      tables.push_back(paper_table(*paper, subjects, places));
  }
  return tables;
}

}  // namespace

json measures_section(const Subjects& subjects, const ReportSpec& spec) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    if (subjects[i].evaluated) places.push_back(i);
  }
  if (places.empty()) return nullptr;
  const Results& results = subjects[places.front()].evaluated->results;
  const std::string line = describe(results.protocol);
  json section{{"columns", columns_of(results.protocol)}, {"protocol", line},
               {"protocol_hash", protocol_hash(line)},    {"replicates", results.bootstrap.replicates},
               {"first", subjects[places.front()].name},  {"paper", paper_tables(subjects)}};
  for (const std::size_t i : places) section["rows"].push_back(row_of(subjects, i));
  for (std::size_t k = 1; k < places.size(); ++k)
    section["differences"].push_back(difference_of(subjects, places.front(), places[k], spec.seed));
  return section;
}

}  // namespace md
