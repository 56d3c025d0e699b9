// POSIX calls, in the order that a power cut forgives.
#include "engine/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "engine/check.h"

namespace md {

namespace fs = std::filesystem;

DurableFile::DurableFile(const std::string& path) : path_(path), beside_(cat(path, ".tmp.", ::getpid())) {
  std::error_code ignored;
  const fs::file_status there = fs::status(path, ignored);
  if (fs::exists(there) && !fs::is_regular_file(there))  // renaming onto a device would replace it
    fail(ErrorKind::cannot_write, path, ": cannot write: it is not a regular file");
  fd_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) refuse();
}

DurableFile::~DurableFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(beside_.c_str());
}

void DurableFile::write(const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) refuse();
    at += written;
    bytes -= std::size_t(written);
  }
}

void DurableFile::commit() {
  if (::fsync(fd_) != 0) refuse();
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) refuse();
  if (::rename(beside_.c_str(), path_.c_str()) != 0) refuse();
  committed_ = true;
  sync_folder();
}

void DurableFile::refuse() const { fail(ErrorKind::cannot_write, path_, ": cannot write: ", std::strerror(errno)); }

void DurableFile::sync_folder() const {
  const std::string folder = fs::path(path_).parent_path().string();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL);  // EINVAL: a file system without it
  const int error = errno;
  if (fd >= 0) ::close(fd);
  errno = error;
  if (!synced) refuse();
}

void write_file_durably(const std::string& path, std::string_view bytes) {
  DurableFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace md
