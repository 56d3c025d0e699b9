// A place is tried by making a hidden folder in it: the answer of the file system itself.
#include "tools/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& option, const fs::path& place, const std::string& why) {
  fail(ErrorKind::cannot_write, option, " ", place.string(), ": cannot write: ", why);
}

/// A new hidden folder inside `folder`; empty, with errno, where none can be made. Only trying tells: permissions say
/// nothing to root, and a file system may refuse what they allow.
fs::path make_hidden_folder(const fs::path& folder) {
  std::string pattern = (folder / ".partial-XXXXXX").string();
  return mkdtemp(pattern.data()) ? pattern : "";
}

void try_folder(const std::string& option, const fs::path& place, const fs::path& folder) {
  const fs::path probe = make_hidden_folder(folder);
  if (probe.empty()) refuse(option, place, std::strerror(errno));
  std::error_code ignored;
  fs::remove(probe, ignored);
}

}  // namespace

void require_writable(const std::string& option, const fs::path& file) {
  std::error_code ignored;
  const fs::file_status there = fs::status(file, ignored);
  if (fs::exists(there) && !fs::is_regular_file(there)) refuse(option, file, "it is not a file");
  try_folder(option, file, file.has_parent_path() ? file.parent_path() : fs::path("."));
}

void require_space(const fs::path& folder, std::uintmax_t bytes) {
  constexpr std::uintmax_t mib = 1 << 20;
  std::error_code unknown;
  const fs::space_info space = fs::space(folder.empty() ? "." : folder, unknown);
  if (!unknown && space.available < bytes)
    fail(ErrorKind::cannot_write, folder.string(), ": ", bytes / mib + 1, " MiB needed, ", space.available / mib,
         " MiB free");
}

OutputFolder::OutputFolder(const std::string& option, const fs::path& path) : path_(path) {
  std::error_code error;
  for (fs::path p = fs::absolute(path, error).lexically_normal(); !p.empty() && !fs::exists(p, error);
       p = p.parent_path())
    made_.insert(made_.begin(), p);
  fs::create_directories(path, error);
  if (error) refuse(option, path, error.message());
  try_folder(option, path, path);
}

OutputFolder::~OutputFolder() {
  std::error_code not_empty;
  std::for_each(made_.rbegin(), made_.rend(), [&](const fs::path& folder) { fs::remove(folder, not_empty); });
}

StagedFolder::StagedFolder(const std::string& option, const fs::path& path)
    : option_(option), final_(option, path), staging_(make_hidden_folder(path)) {
  if (staging_.empty()) refuse(option, path, std::strerror(errno));
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedFolder::publish() {
  std::error_code error;
  for (fs::directory_iterator entry(staging_, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path to = final_.path() / entry->path().filename();
    fs::rename(entry->path(), to, error);
    if (error) refuse(option_, to, error.message());
  }
  if (error) refuse(option_, final_.path(), error.message());
}

}  // namespace md
