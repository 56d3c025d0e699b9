// Writers. Numbers in files have the digits that give the same double again; CSV is RFC 4180.
#include "tools/eval/results.h"

#include "engine/text.h"
#include "tools/cli/text_table.h"
#include "tools/eval/unknown_pixels.h"

namespace md {
namespace {

/// RFC 4180.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

nlohmann::ordered_json to_json(const ImageScore& image) {
  nlohmann::ordered_json object{{"image", image.image}};
  if (!image.metrics) return object;
  for (const SavedField& field : saved_fields()) object[field.key] = (*image.metrics).*field.value;
  return object;
}

/// The table's measures, and what stands behind them.
struct MetricRow {
  const Metrics& metrics;
  std::string remark;
};

/// Titles, and a line for each row.
std::string table_of(const Protocol& protocol, const std::vector<MetricRow>& rows) {
  const std::vector<const MetricField*> fields = table_columns(protocol);
  std::vector<std::vector<std::string>> cells(1 + rows.size());
  for (const MetricField* field : fields) cells[0].emplace_back(field->title);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const MetricField* field : fields) cells[1 + i].push_back(table_number(rows[i].metrics.*field->value));
    if (!rows[i].remark.empty()) cells[1 + i].push_back(rows[i].remark);
  }
  std::vector<TextColumn> columns(fields.size(), {.least = 9});
  columns.push_back({.least = 0, .left = true});
  return text_table(columns, cells);
}

}  // namespace

const std::vector<SavedField>& saved_fields() {
  static const std::vector<SavedField> fields = [] {
    std::vector<SavedField> all;
    for (const MetricField& field : metric_fields) all.push_back({field.key, field.value});
    all.push_back({"log_bias", &Metrics::log_bias});
    all.push_back({"pixels", &Metrics::pixels});
    return all;
  }();
  return fields;
}

std::string metric_table(const Metrics& metrics, const Protocol& protocol) {
  return table_of(protocol, {{metrics, ""}});
}

std::string metric_table(const Results& results) {
  return table_of(results.protocol, {{results.evaluation.mean, ""},
                                     {results.intervals.low, "  from: 95 % interval over images"},
                                     {results.intervals.high, "  to"}});
}

std::string markdown_table(const Results& results) {
  std::string titles = "| method |", rule = "|---|", values = "| " + results.method + " |";
  for (const MetricField* field : table_columns(results.protocol)) {
    const Interval interval = results.intervals.of(*field);
    titles += cat(" ", field->title, " |");
    rule += "---|";
    values += cat(" ", table_number(results.evaluation.mean.*field->value), " (", table_number(interval.low), "-",
                  table_number(interval.high), ") |");
  }
  const std::string line = describe(results.protocol);
  return cat(titles, "\n", rule, "\n", values, "\n\n", results.evaluation.images,
             " images; in brackets: 95 % interval over images. Protocol ", protocol_hash(line), ": ", line, "\n");
}

nlohmann::ordered_json to_json(const Evaluation& evaluation, const Protocol& protocol) {
  nlohmann::ordered_json object;
  const std::string line = describe(protocol);
  for (const MetricField& field : metric_fields) object[field.key] = evaluation.mean.*field.value;
  object["images"] = evaluation.images;
  object["missing"] = evaluation.missing;
  object["pixels"] = evaluation.mean.pixels;
  object["protocol"] = protocol.name;
  object["protocol_hash"] = protocol_hash(line);
  object["protocol_line"] = line;
  return object;
}

nlohmann::ordered_json to_json(const Results& results) {
  nlohmann::ordered_json object = to_json(results.evaluation, results.protocol);
  object["method"] = results.method;
  const UnknownCounts unknown = unknown_counts(results.evaluation);
  object["zero_pixels"] = unknown.zeros;
  object["filled_pixels"] = unknown.filled;
  object["filled_scored_pixels"] = unknown.filled_scored;
  for (const MetricField& field : metric_fields) {
    const Interval interval = results.intervals.of(field);
    object["interval_95"][field.key] = {interval.low, interval.high};
  }
  object["bootstrap"] = {{"seed", results.bootstrap.seed}, {"replicates", results.bootstrap.replicates}};
  for (const ImageScore& image : results.evaluation.per_image) object["per_image"].push_back(to_json(image));
  return object;
}

std::string to_csv(const Evaluation& evaluation, const Protocol& protocol) {
  std::string text = "image";
  for (const SavedField& field : saved_fields()) text += cat(",", field.key);
  text += ",protocol\n";
  const std::string line = csv_cell(describe(protocol));
  for (const ImageScore& image : evaluation.per_image) {
    text += csv_cell(image.image);
    for (const SavedField& field : saved_fields())
      text += "," + (image.metrics ? shortest((*image.metrics).*field.value) : "");
    text += "," + line + "\n";
  }
  return text;
}

}  // namespace md
