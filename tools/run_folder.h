// The folder of a training run: config.toml (what gives the same run again), metrics.jsonl (one JSON object a line: a
// step, a skipped step or an evaluation), last.safetensors and best.safetensors.
#pragma once
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/output.h"

namespace md {

class RunFolder {
 public:
  /// Makes the folder and writes its config. Throws Exit::cannot_write, also where the folder is there and not empty.
  RunFolder(const std::string& path, const std::string& config_toml);
  /// Without one logged line there was no run: nothing is left.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Appends a line to metrics.jsonl, at once. Throws Exit::cannot_write.
  void log(const nlohmann::ordered_json& line);
  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  OutputFolder folder_;
  std::ofstream metrics_;
  bool logged_ = false;
};

}  // namespace md
