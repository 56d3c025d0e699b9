// Bytes that come in order, from a part of a file or out of an archive. Internal to data/.
#pragma once
#include <algorithm>

#include "data/byte_source.h"

namespace md {

/// Bytes in order, as many as size() says.
class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// Fills `to` with the next bytes and returns how many there were: fewer at the end, or where the file ends early.
  /// Throws ErrorKind::bad_data where they are damaged.
  virtual std::size_t read(std::span<unsigned char> to) = 0;
  /// Of all of them, as the file claims.
  virtual std::uint64_t size() const = 0;
};

/// `size` bytes of a source from `offset` on. Borrows the source.
class PartOfSource : public ByteStream {
 public:
  PartOfSource(const ByteSource& source, std::uint64_t offset, std::uint64_t size)
      : source_(source), at_(offset), end_(offset + size), size_(size) {}

  std::size_t read(std::span<unsigned char> to) override {
    const std::size_t got = source_.read(at_, to.first(std::min<std::uint64_t>(to.size(), end_ - at_)));
    at_ += got;
    return got;
  }
  std::uint64_t size() const override { return size_; }

 private:
  const ByteSource& source_;
  std::uint64_t at_, end_, size_;
};

}  // namespace md
