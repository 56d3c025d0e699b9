// JPEG where libjpeg-turbo is not found at build time. stb_image trusts a file's structure more than is good, so that
// is checked first.
#include <stb_image.h>

#include <memory>

#include "data/codecs.h"
#include "data/jpeg_header.h"
#include "engine/check.h"

namespace md {
namespace {

/// Walks over the segments of a JPEG (ITU T.81, annex B) and refuses what stb_image stumbles over: a file that ends
/// early, which it does not report; scans without end, each a pass over the whole image; Huffman tables of 256 codes or
/// more, with which it reads outside of them. Pixels are not its business.
class StructureCheck {
 public:
  StructureCheck(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void run() {
    if (bytes_.size() < 2 || take() != 0xFF || take() != 0xD8) fail(ErrorKind::bad_data, name_, ": no JPEG");
    for (unsigned marker = next_marker(); marker != 0xD9; marker = next_marker()) {
      const std::size_t length = take() << 8U;
      segment(marker, length | take());
    }
  }

 private:
  unsigned take() {
    if (at_ == bytes_.size()) fail(ErrorKind::bad_data, name_, ": truncated JPEG (no end-of-image marker)");
    return bytes_[at_++];
  }
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::bad_data, name_, ": damaged JPEG (", why, ")");
  }

  unsigned next_marker() {
    if (take() != 0xFF) refuse("no marker where one should be");
    unsigned marker = take();
    while (marker == 0xFF) marker = take();  // they may be padded
    return marker;
  }

  void segment(unsigned marker, std::size_t length) {
    if (length < 2) refuse("a segment shorter than its length");
    const std::size_t end = at_ + length - 2;
    if (marker == 0xC4) huffman_tables(end);
    while (at_ < end) take();
    if (at_ != end) refuse("a Huffman table longer than its segment");
    if (marker != 0xDA) return;
    if (++scans_ > max_jpeg_scans) refuse(cat("more than ", max_jpeg_scans, " scans"));
    skip_scan();
  }

  void huffman_tables(std::size_t end) {
    while (at_ < end) {
      take();  // class and number
      std::size_t codes = 0;
      for (int bits = 1; bits <= 16; ++bits) codes += take();
      if (codes > 255) refuse("a Huffman table of more than 255 codes");
      while (codes-- > 0) take();
    }
  }

  /// To the next marker that is not of the scan: in data FF is followed by 0 or a restart's number.
  void skip_scan() {
    for (;;) {
      if (take() != 0xFF) continue;
      const unsigned next = take();
      if (next == 0 || (next >= 0xD0 && next <= 0xD7)) continue;
      at_ -= 2;
      return;
    }
  }

  Bytes bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
  int scans_ = 0;
};

}  // namespace

Exif stream_jpeg_stb(const ByteSource& source, PictureRows& rows, bool upright) {
  const JpegHeader header = jpeg_header(source);
  std::vector<unsigned char> storage;
  const Bytes bytes = whole_file(source, storage, rows.name());
  StructureCheck(bytes, rows.name()).run();
  if (!rare_jpeg(header).empty()) fail(ErrorKind::bad_data, rows.name(), ": ", refusal_of_rare_jpeg(header));
  int height = 0, width = 0, channels = 0;
  const int size = int(bytes.size());
  std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(nullptr, &stbi_image_free);
  if (stbi_info_from_memory(bytes.data(), size, &width, &height, &channels)) {
    rows.check_size(std::uint64_t(width), std::uint64_t(height));
    if (header.components == 4 && header.adobe_transform != 0 && header.adobe_transform != 2) {
      fail(ErrorKind::bad_data, rows.name(),
           ": a CMYK JPEG without Adobe's segment, which this program, built without "
           "libjpeg, cannot read; convert it: convert IN -colorspace sRGB OUT.jpg");
    }
    // Planes and the result; of a progressive file the coefficients, too.
    const auto each = std::uint64_t(header.components) * (header.frame == 0xC2 ? 3 : 1) + 3;
    rows.begin(height, width, Samples::rgb, upright ? header.exif.orientation : 1,
               storage.size() + each * std::uint64_t(width + 64) * std::uint64_t(height + 64));
    pixels.reset(stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 3));
  }
  if (!pixels) fail(ErrorKind::bad_data, rows.name(), ": damaged JPEG (", stbi_failure_reason(), ")");
  for (int y = 0; y < height; ++y) rows.take(pixels.get() + std::size_t(y) * width * 3);
  return header.exif;
}

RgbImage decode_jpeg_stb(Bytes bytes, const std::string& name) {
  PictureRows rows({.name = name});
  stream_jpeg_stb(ByteSource(bytes), rows, false);
  return rows.finish();
}

}  // namespace md
