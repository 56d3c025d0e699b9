#include "tools/results.h"

#include <unistd.h>

#include <cstdio>

namespace md {
namespace {

namespace fs = std::filesystem;

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

StagedFolder::StagedFolder(fs::path final_folder) : final_(std::move(final_folder)) {
  std::error_code error;
  fs::create_directories(final_, error);
  std::string pattern = (final_ / ".partial-XXXXXX").string();
  if (error || !mkdtemp(pattern.data())) fail(Exit::cannot_write, final_.string(), ": cannot write into this folder");
  staging_ = pattern;
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
  fs::remove(final_, ignored);  // only if it is empty
}

void StagedFolder::publish() {
  for (const fs::directory_entry& entry : fs::directory_iterator(staging_)) {
    std::error_code error;
    fs::rename(entry.path(), final_ / entry.path().filename(), error);
    if (error) fail(Exit::cannot_write, (final_ / entry.path().filename()).string(), ": ", error.message());
  }
}

void require_writable(const std::string& option, const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (fs::is_directory(file) || !fs::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
    fail(Exit::cannot_write, option, ": cannot write ", file.string());
  }
}

}  // namespace md
