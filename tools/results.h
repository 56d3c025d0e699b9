// An evaluation in files: JSON, CSV, and a folder of images.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/evaluate.h"

namespace md {

/// abs_rel sq_rel rmse rmse_log log10 silog d1 d2 d3 images missing protocol, and protocol_line with every parameter.
nlohmann::ordered_json to_json(const Evaluation&, const Protocol&);

/// One row an image, in list order; the measures are empty where nothing was scored.
std::string to_csv(const Evaluation&);

/// A folder whose new files appear all together, at publish(), or not at all. Until then they lie in a hidden folder in
/// it, which the destructor removes.
class StagedFolder {
 public:
  /// Throws Exit::cannot_write.
  explicit StagedFolder(std::filesystem::path final_folder);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  const std::filesystem::path& path() const { return staging_; }
  void publish();

 private:
  std::filesystem::path final_, staging_;
};

/// Throws Exit::cannot_write, naming option and path, if no file can be made there: better before a long run than
/// after.
void require_writable(const std::string& option, const std::filesystem::path& file);

}  // namespace md
