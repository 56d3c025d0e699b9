// The bytes of a picture file, read a piece at a time from a file or from memory, so that a file larger than memory
// should hold can be decoded by rows. Internal to data/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace md {

using Bytes = std::span<const unsigned char>;

/// Bytes that can be read from any place.
class ByteSource {
 public:
  /// Borrows the memory.
  explicit ByteSource(Bytes memory) : memory_(memory), size_(memory.size()) {}
  /// Throws, naming the file, ErrorKind::missing where nothing can be read, ErrorKind::bad_data for a folder or device.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  std::uint64_t size() const { return size_; }
  /// Fills `to` with what stands at `offset`; returns how many bytes there were, fewer at the end or where the disk
  /// fails. Does not throw: codecs call it from libraries in C.
  std::size_t read(std::uint64_t offset, std::span<unsigned char> to) const noexcept;
  /// Exactly to.size() bytes, or false.
  bool read_all(std::uint64_t offset, std::span<unsigned char> to) const noexcept {
    return read(offset, to) == to.size();
  }
  /// All of it in one piece; `storage` owns it if this is a file.
  Bytes whole(std::vector<unsigned char>& storage) const;

 private:
  Bytes memory_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// A number of 2 or 4 bytes as it stands in a file.
inline std::uint16_t big16(const unsigned char* at) { return std::uint16_t(at[0] << 8 | at[1]); }
inline std::uint16_t little16(const unsigned char* at) { return std::uint16_t(at[1] << 8 | at[0]); }
inline std::uint32_t big32(const unsigned char* at) { return std::uint32_t(big16(at)) << 16 | big16(at + 2); }
inline std::uint32_t little32(const unsigned char* at) { return std::uint32_t(little16(at + 2)) << 16 | little16(at); }

}  // namespace md
