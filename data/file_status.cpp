// file_not_found is both a status and an error code in std::filesystem; only the other errors are errors here.
#include "data/file_status.h"

#include "engine/check.h"

namespace md {

std::filesystem::file_status status_of(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::none) fail(ErrorKind::missing, path.string(), ": ", error.message());
  return status;
}

}  // namespace md
