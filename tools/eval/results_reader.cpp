// The reader of what results.cpp writes: JSON or CSV, told apart by the first character.
#include <charconv>
#include <cmath>

#include "tools/cli/file_contents.h"
#include "tools/eval/results.h"

namespace md {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

/// RFC 4180.
std::vector<Row> csv_rows(const std::string& text) {
  std::vector<Row> rows;
  std::string cell;
  bool quoted = false, begun = false;  // within quotes; anything in this row
  const auto end_cell = [&] {
    if (!begun) rows.emplace_back();
    begun = true;
    rows.back().push_back(std::exchange(cell, ""));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cell += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      end_cell();
    } else if (!quoted && c == '\n') {
      end_cell();
      begun = false;
    } else if (quoted || c != '\r') {
      cell += c;
    }
  }
  if (begun || !cell.empty()) end_cell();
  return rows;
}

Row header() {
  Row names{"image"};
  for (const SavedField& field : saved_fields()) names.push_back(field.key);
  names.emplace_back("protocol");
  return names;
}

double number(const std::string& text, const std::string& place) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    fail(ErrorKind::bad_data, place, ": '", text, "' is no number");
  }
  return value;
}

Protocol protocol_of(const std::string& line, const std::string& path) {
  try {
    return parse_protocol(line);
  } catch (const Error& error) {
    fail(error.kind(), path, ": ", error.what());
  }
}

SavedResults from_csv(const std::string& text, const std::string& path) {
  const std::vector<Row> rows = csv_rows(text);
  if (rows.empty() || rows.front() != header()) fail(ErrorKind::bad_data, path, ": not a CSV file of mdeval");
  SavedResults results;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const std::string place = cat(path, ": row ", i + 1);
    if (row.size() != rows.front().size()) fail(ErrorKind::bad_data, place, ": ", row.size(), " columns");
    if (row.back() != rows[1].back()) fail(ErrorKind::bad_data, place, ": another protocol than above");
    results.per_image.push_back({row[0], std::nullopt});
    if (row[1].empty()) continue;
    Metrics& metrics = results.per_image.back().metrics.emplace();
    for (std::size_t f = 0; f < saved_fields().size(); ++f)
      metrics.*saved_fields()[f].value = number(row[f + 1], place);
  }
  if (rows.size() > 1) results.protocol = protocol_of(rows[1].back(), path);
  return results;
}

SavedResults from_json(const std::string& text, const std::string& path) {
  SavedResults results;
  std::string line;
  try {
    const json object = json::parse(text);
    line = object.at("protocol_line");
    for (const json& image : object.at("per_image")) {
      results.per_image.push_back({image.at("image"), std::nullopt});
      if (!image.contains("abs_rel")) continue;
      Metrics& metrics = results.per_image.back().metrics.emplace();
      for (const SavedField& field : saved_fields()) metrics.*field.value = image.at(field.key);
    }
  } catch (const json::exception& error) {
    fail(ErrorKind::bad_data, path, ": not a JSON file of mdeval: ", error.what());
  }
  results.protocol = protocol_of(line, path);
  return results;
}

}  // namespace

SavedResults read_results(const std::string& path) {
  const std::string text = contents_of(path);
  SavedResults results = text.starts_with("{") ? from_json(text, path) : from_csv(text, path);
  if (results.per_image.empty()) fail(ErrorKind::bad_data, path, ": no images");
  return results;
}

}  // namespace md
