// POSIX's pread: no position to keep, and no stream's buffer between.
#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {

ByteSource::ByteSource(const std::string& path) {
  const std::filesystem::file_status status = status_of(path);
  if (!std::filesystem::exists(status)) fail(ErrorKind::missing, path, ": no such file");
  if (!std::filesystem::is_regular_file(status)) fail(ErrorKind::bad_data, path, ": not a file");
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat known {};
  if (fd_ < 0 || ::fstat(fd_, &known) != 0) {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    fail(ErrorKind::missing, path, ": cannot be read (", std::strerror(error), ")");
  }
  size_ = std::uint64_t(known.st_size);
}

ByteSource::~ByteSource() {
  if (fd_ >= 0) ::close(fd_);
}

std::size_t ByteSource::read(std::uint64_t offset, std::span<unsigned char> to) const noexcept {
  if (offset >= size_) return 0;
  const std::size_t wanted = std::min<std::uint64_t>(to.size(), size_ - offset);
  if (fd_ < 0) {
    std::copy_n(memory_.begin() + std::ptrdiff_t(offset), wanted, to.begin());
    return wanted;
  }
  std::size_t got = 0;
  while (got < wanted) {
    const ssize_t some = ::pread(fd_, to.data() + got, wanted - got, off_t(offset + got));
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) break;
    got += std::size_t(some);
  }
  return got;
}

Bytes ByteSource::whole(std::vector<unsigned char>& storage) const {
  if (fd_ < 0) return memory_;
  storage.resize(size_);
  storage.resize(read(0, storage));
  return storage;
}

}  // namespace md
