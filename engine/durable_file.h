// Files that a crash cannot leave half-written.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace md {

/// A file that appears under its name only when complete: written beside it, fsynced, renamed, folder fsynced. All its
/// functions throw ErrorKind::cannot_write, naming the path.
class DurableFile {
 public:
  explicit DurableFile(const std::string& path);
  /// Without commit() nothing is left of it, and an older file of that name stays.
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  /// The next bytes. Throws ErrorKind::cannot_write, as commit() does.
  void write(const void* data, std::size_t bytes);
  void commit();  // it is whole: from now on it has its name, also after a crash

 private:
  [[noreturn]] void refuse() const;
  void sync_folder() const;

  std::string path_, beside_;
  int fd_ = -1;
  bool committed_ = false;
};

/// Writes `bytes` to `path` so that a crash leaves the old file or the new one. Throws ErrorKind::cannot_write.
void write_file_durably(const std::string& path, std::string_view bytes);

}  // namespace md
