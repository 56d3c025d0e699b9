// Where results go: tried before the work that makes them, since a long run must not fail at its end, and never left
// half-written. All throw ErrorKind::cannot_write, naming the option and the place.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace md {

/// Throws unless a file can be made there; one that is there may be replaced, a folder or a device may not.
void require_writable(const std::string& option, const std::filesystem::path& file);

/// Throws unless the file system of `folder` has room for so many bytes more.
void require_space(const std::filesystem::path& folder, std::uintmax_t bytes);

/// A folder to write into. It and its parents are made where they are not there; those that are still empty in the end
/// are removed again.
class OutputFolder {
 public:
  /// Throws unless a file can be made in it.
  OutputFolder(const std::string& option, const std::filesystem::path&);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // outermost first
};

/// A folder whose new files appear all together, at publish(), or not at all. Until then they lie in a hidden folder in
/// it, which the destructor removes.
class StagedFolder {
 public:
  StagedFolder(const std::string& option, const std::filesystem::path&);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  const std::filesystem::path& path() const { return staging_; }
  /// Gives the files their names, one by one. Throws ErrorKind::cannot_write.
  void publish();

 private:
  std::string option_;
  OutputFolder final_;
  std::filesystem::path staging_;
};

}  // namespace md
