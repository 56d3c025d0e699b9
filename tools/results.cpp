// Numbers with the digits that tell two floats apart; CSV by RFC 4180.
#include "tools/results.h"

#include <cstdio>

namespace md {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

/// RFC 4180.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

nlohmann::ordered_json to_json(const Evaluation& evaluation, const Protocol& protocol) {
  nlohmann::ordered_json object;
  for (const MetricField& field : metric_fields) object[field.key] = evaluation.mean.*field.value;
  object["images"] = evaluation.images;
  object["missing"] = evaluation.missing;
  object["protocol"] = protocol.name;
  object["protocol_line"] = describe(protocol);
  return object;
}

std::string to_csv(const Evaluation& evaluation) {
  std::string text = "image";
  for (const MetricField& field : metric_fields) text += cat(",", field.key);
  text += "\n";
  for (const ImageScore& image : evaluation.per_image) {
    text += csv_cell(image.image);
    for (const MetricField& field : metric_fields) {
      text += "," + (image.metrics ? number((*image.metrics).*field.value) : "");
    }
    text += "\n";
  }
  return text;
}

}  // namespace md
