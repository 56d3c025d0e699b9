// A walk over segments. Bytes that belong to none are passed over, as decoders do.
#include "data/jpeg_header.h"

#include <array>
#include <cstring>

#include "engine/check.h"

namespace md {
namespace {

constexpr int kMostSegments = 10'000;

bool is_frame(unsigned marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/// The next marker at or behind `at`, which then stands behind it; 0: there is none.
unsigned next_marker(const ByteSource& source, std::uint64_t& at) {
  std::array<unsigned char, 512> piece;
  bool after_ff = false;
  for (;;) {
    const std::size_t got = source.read(at, piece);
    if (got == 0) return 0;
    for (std::size_t i = 0; i < got; ++i) {
      if (after_ff && piece[i] != 0 && piece[i] != 0xFF) {
        at += i + 1;
        return piece[i];
      }
      after_ff = piece[i] == 0xFF;
    }
    at += got;
  }
}

void take_segment(const ByteSource& source, unsigned marker, std::uint64_t at, unsigned bytes, JpegHeader& header,
                  bool& has_exif) {
  std::array<unsigned char, 12> head{};
  const std::size_t got = source.read(at, std::span(head).first(std::min<std::size_t>(bytes, head.size())));
  if (is_frame(marker) && header.frame == 0 && got > 0) {
    header.frame = marker;
    header.precision = head[0];
    header.components = head[5];  // behind height and width
  }
  if (marker == 0xE1 && !has_exif && got >= 6 && std::memcmp(head.data(), "Exif\0\0", 6) == 0) {
    header.exif = parse_exif(source, at, bytes);
    has_exif = true;
  }
  if (marker == 0xEE && got == 12 && std::memcmp(head.data(), "Adobe", 5) == 0) header.adobe_transform = head[11];
}

}  // namespace

JpegHeader jpeg_header(const ByteSource& source) {
  JpegHeader header;
  bool has_exif = false;
  std::uint64_t at = 2;  // behind the start of the image
  for (int segment = 0; segment < kMostSegments; ++segment) {
    const unsigned marker = next_marker(source, at);
    if (marker == 0 || marker == 0xD9 || marker == 0xDA) break;
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // without a length
    std::array<unsigned char, 2> length{};
    if (!source.read_all(at, length) || big16(length.data()) < 2) break;
    const unsigned bytes = big16(length.data()) - 2U;
    take_segment(source, marker, at + 2, bytes, header, has_exif);
    at += bytes + 2U;
  }
  return header;
}

std::string rare_jpeg(const JpegHeader& header) {
  switch (header.frame) {
    case 0xC3:
    case 0xCB:
      return "lossless";
    case 0xC9:
    case 0xCA:
      return "arithmetic-coded";
    case 0xC5:
    case 0xC6:
    case 0xC7:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      return "hierarchical";
    default:
      return header.precision == 8 ? "" : cat(header.precision, "-bit");
  }
}

std::string refusal_of_rare_jpeg(const JpegHeader& header) {
  const std::string kind = rare_jpeg(header);
  const char* command = "convert IN OUT.png";
  if (kind == "12-bit") command = "gdal_translate -of PNG -ot Byte -scale 0 4095 0 255 IN OUT.png";
  if (kind == "lossless") command = "ffmpeg -i IN OUT.png";
  if (kind == "arithmetic-coded") command = "jpegtran -optimize IN > OUT.jpg";
  return cat("a", kind == "arithmetic-coded" ? "n " : " ", kind,
             " JPEG, which this program cannot read; convert it: ", command);
}

}  // namespace md
