#include "tools/cli/file_contents.h"

#include <fstream>
#include <iterator>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {

std::string contents_of(const std::string& path) {
  const std::filesystem::file_status there = status_of(path);
  if (!std::filesystem::exists(there)) fail(ErrorKind::missing, path, ": no such file");
  if (!std::filesystem::is_regular_file(there)) fail(ErrorKind::bad_data, path, ": not a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::missing, path, ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace md
