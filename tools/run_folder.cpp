// The config is there before the first step, so that a run that died can be told apart and repeated.
#include "tools/run_folder.h"

#include "engine/check.h"
#include "engine/state.h"

namespace md {

namespace fs = std::filesystem;

RunFolder::RunFolder(const std::string& path, const std::string& config_toml) : folder_("--out", path) {
  std::error_code unreadable;
  if (!fs::is_empty(path, unreadable))
    fail(Exit::cannot_write, "--out ", path, ": not empty; a run begins in a new folder");
  write_file_durably(file("config.toml"), config_toml);
  metrics_.open(file("metrics.jsonl"), std::ios::app);
  if (!metrics_) fail(Exit::cannot_write, file("metrics.jsonl"), ": cannot write");
}

RunFolder::~RunFolder() {
  if (logged_) return;
  std::error_code ignored;
  for (const char* name : {"metrics.jsonl", "config.toml"}) fs::remove(file(name), ignored);
}

void RunFolder::log(const nlohmann::ordered_json& line) {
  metrics_ << line.dump() << std::endl;
  if (!metrics_) fail(Exit::cannot_write, file("metrics.jsonl"), ": cannot write");
  logged_ = true;
}

}  // namespace md
