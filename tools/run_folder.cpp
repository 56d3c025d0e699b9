#include "tools/run_folder.h"

#include <filesystem>

#include "engine/state.h"

namespace md {

namespace fs = std::filesystem;

RunFolder::RunFolder(const std::string& path, const std::string& config_toml) : path_(path) {
  std::error_code error;
  fs::create_directories(path, error);
  const bool empty = !error && fs::is_empty(path, error);
  if (error) fail(Exit::cannot_write, "--out ", path, ": ", error.message());
  if (!empty) fail(Exit::cannot_write, "--out ", path, ": not empty; a run begins in a new folder");
  write_file_durably(file("config.toml"), config_toml);
  metrics_.open(file("metrics.jsonl"), std::ios::app);
  if (!metrics_) fail(Exit::cannot_write, file("metrics.jsonl"), ": cannot write");
}

void RunFolder::log(const nlohmann::ordered_json& line) {
  metrics_ << line.dump() << std::endl;
  if (!metrics_) fail(Exit::cannot_write, file("metrics.jsonl"), ": cannot write");
}

}  // namespace md
