// Every offset of a block is a claim: what does not lie inside of it is not there.
#include "data/exif.h"

#include <array>
#include <cstring>
#include <optional>

namespace md {
namespace {

constexpr std::uint16_t kOrientation = 0x0112, kExifFolder = 0x8769, kFocal35mm = 0xA405;
constexpr std::uint64_t kMostChunks = 1 << 20;  // of a PNG or a WebP that are looked through

/// One block, in its own byte order.
class Block {
 public:
  Block(const ByteSource& source, std::uint64_t at, std::uint64_t bytes) : source_(source), at_(at), bytes_(bytes) {
    std::array<unsigned char, 8> head{};
    if (holds(0, 6) && source_.read_all(at_, std::span(head).first(6)) &&
        std::memcmp(head.data(), "Exif\0\0", 6) == 0) {
      at_ += 6;
      bytes_ -= 6;
    }
    if (!read(0, head)) return;
    big_ = head[0] == 'M';
    if (std::memcmp(head.data(), big_ ? "MM\0*" : "II*\0", 4) == 0) first_folder_ = u32(&head[4]);
  }

  std::uint32_t first_folder() const { return first_folder_; }  // 0: there is none

  /// The whole number that a tag of this folder holds; the first such tag counts.
  std::optional<std::uint32_t> find(std::uint32_t folder, std::uint16_t tag) const {
    std::array<unsigned char, 2> count{};
    if (folder == 0 || !read(folder, count)) return std::nullopt;
    const std::size_t entries = u16(count.data());
    for (std::size_t i = 0; i < entries; ++i) {
      std::array<unsigned char, 12> entry{};  // tag, type, count, value
      if (!read(std::uint64_t{folder} + 2 + 12 * i, entry)) return std::nullopt;
      if (u16(entry.data()) != tag) continue;
      const unsigned type = u16(&entry[2]);
      if (u32(&entry[4]) == 0) return std::nullopt;
      if (type == 3) return u16(&entry[8]);                // SHORT
      if (type == 4 || type == 13) return u32(&entry[8]);  // LONG, IFD
      return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  bool holds(std::uint64_t offset, std::uint64_t size) const { return offset <= bytes_ && size <= bytes_ - offset; }
  bool read(std::uint64_t offset, std::span<unsigned char> to) const {
    return holds(offset, to.size()) && source_.read_all(at_ + offset, to);
  }
  std::uint16_t u16(const unsigned char* at) const { return big_ ? big16(at) : little16(at); }
  std::uint32_t u32(const unsigned char* at) const { return big_ ? big32(at) : little32(at); }

  const ByteSource& source_;
  std::uint64_t at_, bytes_;
  bool big_ = false;
  std::uint32_t first_folder_ = 0;
};

}  // namespace

Exif parse_exif(const ByteSource& source, std::uint64_t at, std::uint64_t bytes) {
  const Block block(source, at, bytes);
  Exif exif;
  const auto orientation = block.find(block.first_folder(), kOrientation);
  if (orientation && *orientation >= 1 && *orientation <= 8) exif.orientation = int(*orientation);
  const auto folder = block.find(block.first_folder(), kExifFolder);
  const auto focal = folder ? block.find(*folder, kFocal35mm) : std::nullopt;
  if (focal && *focal <= 10000) exif.focal_35mm = double(*focal);
  return exif;
}

Exif png_exif(const ByteSource& source) {
  std::uint64_t at = 8;  // behind the signature
  for (std::uint64_t chunk = 0; chunk < kMostChunks; ++chunk) {
    std::array<unsigned char, 8> head{};  // length, type; then data and checksum
    if (!source.read_all(at, head)) break;
    const std::uint32_t length = big32(head.data());
    if (std::memcmp(&head[4], "eXIf", 4) == 0) return parse_exif(source, at + 8, length);
    at += std::uint64_t{length} + 12;
  }
  return {};
}

Exif webp_exif(const ByteSource& source) {
  std::uint64_t at = 12;  // behind RIFF, its size and WEBP
  for (std::uint64_t chunk = 0; chunk < kMostChunks; ++chunk) {
    std::array<unsigned char, 8> head{};  // type, length; then data, to an even number of bytes
    if (!source.read_all(at, head)) break;
    const std::uint32_t length = little32(&head[4]);
    if (std::memcmp(head.data(), "EXIF", 4) == 0) return parse_exif(source, at + 8, length);
    at += std::uint64_t{length} + length % 2 + 8;
  }
  return {};
}

}  // namespace md
