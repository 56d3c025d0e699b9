// BMP (Microsoft's BITMAPCOREHEADER, BITMAPINFOHEADER and the longer ones) is a header, a palette and rows: it is read
// by hand, a row at a time. Run-length coded ones are as rare as they are intricate, and refused by name.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr std::uint64_t kFileHeader = 14;

/// A channel's place in a pixel of 16 or 32 bits.
struct Mask {
  std::uint32_t bits = 0;
  std::uint8_t of(std::uint32_t pixel) const {
    const int shift = std::countr_zero(bits);
    const std::uint64_t value = (pixel & bits) >> shift, most = bits >> shift;
    return std::uint8_t((value * 255 + most / 2) / most);
  }
};

class Bmp {
 public:
  Bmp(const ByteSource& source, PictureRows& rows) : source_(source), rows_(rows) {}

  void decode() {
    read_header();
    rows_.check_size(width_, height_);
    stride_ = (std::uint64_t{width_} * bits_ + 31) / 32 * 4;
    if (pixels_at_ > source_.size() || stride_ * height_ > source_.size() - pixels_at_) refuse("the file ends early");
    if (bits_ <= 8) read_palette();
    if (bits_ == 16 || bits_ == 32) read_masks();
    if (masks_[3].bits != 0 && !any_alpha()) masks_[3].bits = 0;
    has_alpha_ = masks_[3].bits != 0;
    rows_.begin(int(height_), int(width_), has_alpha_ ? Samples::rgba : Samples::rgb, 1, 0);
    std::vector<std::uint8_t> samples(std::size_t(width_) * 4);
    for (std::uint32_t y = 0; y < height_; ++y) {
      const std::vector<unsigned char>& row = stored_row(y);
      for (std::uint32_t x = 0; x < width_; ++x) convert(row, x, &samples[x * (has_alpha_ ? 4U : 3U)]);
      rows_.take(samples.data());
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ErrorKind::bad_data, rows_.name(), ": damaged BMP (", why, ")");
  }

  void read_header() {
    std::array<unsigned char, 40> info{};
    std::array<unsigned char, kFileHeader> file{};
    if (!source_.read_all(0, file) || source_.read(kFileHeader, info) < 12) refuse("the file ends early");
    pixels_at_ = little32(&file[10]);
    header_ = little32(info.data());
    if (header_ == 12) {
      width_ = little16(&info[4]);
      height_ = little16(&info[6]);
      bits_ = little16(&info[10]);
    } else if (header_ >= 40 && header_ <= 256) {
      width_ = little32(&info[4]);
      const auto height = std::int64_t(std::int32_t(little32(&info[8])));
      top_down_ = height < 0;
      height_ = std::uint32_t(std::abs(height));
      bits_ = little16(&info[14]);
      compression_ = little32(&info[16]);
      colours_ = little32(&info[32]);
    } else {
      refuse(cat("a header of ", header_, " bytes"));
    }
    check_coding();
  }

  void check_coding() const {
    constexpr std::array known = {1U, 2U, 4U, 8U, 16U, 24U, 32U};
    if (std::ranges::find(known, bits_) == known.end()) refuse(cat(bits_, " bits a pixel"));
    const bool masked = compression_ == 3 || compression_ == 6;
    if (masked ? bits_ == 16 || bits_ == 32 : compression_ == 0) return;
    fail(ErrorKind::bad_data, rows_.name(), ": a ",
         compression_ == 1 || compression_ == 2 ? "run-length coded" : "coded",
         " BMP, which this program cannot read; convert it: convert IN OUT.png");
  }

  void read_palette() {
    const std::uint64_t entry = header_ == 12 ? 3 : 4;
    const std::uint64_t most = std::uint64_t{1} << bits_;
    const std::uint64_t entries = colours_ == 0 ? most : std::min<std::uint64_t>(colours_, most);
    for (std::uint64_t i = 0; i < entries; ++i) {
      std::array<unsigned char, 3> bgr{};
      if (!source_.read_all(kFileHeader + header_ + i * entry, bgr)) refuse("the file ends early");
      palette_[i] = {bgr[2], bgr[1], bgr[0]};
    }
  }

  void read_masks() {
    masks_ = {};
    if (compression_ == 0) {
      if (bits_ == 16) masks_ = {Mask{0x7C00}, Mask{0x03E0}, Mask{0x001F}, Mask{0}};
      if (bits_ == 32) masks_ = {Mask{0xFF0000}, Mask{0x00FF00}, Mask{0x0000FF}, Mask{0}};
      return;
    }
    std::array<unsigned char, 16> raw{};
    const std::size_t wanted = compression_ == 6 || header_ >= 56 ? 16 : 12;
    if (!source_.read_all(kFileHeader + 40, std::span(raw).first(wanted))) refuse("the file ends early");
    for (std::size_t i = 0; i < wanted / 4; ++i) masks_[i].bits = little32(&raw[4 * i]);
    if (masks_[0].bits == 0 || masks_[1].bits == 0 || masks_[2].bits == 0) refuse("a colour without bits");
  }

  /// False: the picture would be nothing but transparent; programs that fill the fourth byte with 0 mean no alpha.
  bool any_alpha() {
    for (std::uint32_t y = 0; y < height_; ++y) {
      const std::vector<unsigned char>& row = stored_row(y);
      for (std::uint32_t x = 0; x < width_; ++x) {
        if ((packed(row, x) & masks_[3].bits) != 0) return true;
      }
    }
    return false;
  }

  /// The row of the picture, y from the top.
  const std::vector<unsigned char>& stored_row(std::uint32_t y) {
    row_.resize(stride_);
    const std::uint64_t at = pixels_at_ + stride_ * (top_down_ ? y : height_ - 1 - y);
    if (!source_.read_all(at, row_)) refuse("the file ends early");
    return row_;
  }

  std::uint32_t packed(const std::vector<unsigned char>& row, std::uint32_t x) const {
    return bits_ == 16 ? little16(&row[std::size_t(x) * 2]) : little32(&row[std::size_t(x) * 4]);
  }

  void convert(const std::vector<unsigned char>& row, std::uint32_t x, std::uint8_t* to) const {
    if (bits_ <= 8) {
      const unsigned pixels_a_byte = 8 / bits_, last = pixels_a_byte - 1;
      const unsigned index = row[x / pixels_a_byte] >> (last - x % pixels_a_byte) * bits_;
      std::ranges::copy(palette_[index & ((1U << bits_) - 1)], to);
    } else if (bits_ == 24) {
      for (std::size_t c = 0; c < 3; ++c) to[c] = row[std::size_t(x) * 3 + 2 - c];
    } else {
      const std::uint32_t pixel = packed(row, x);
      for (std::size_t c = 0; c < (has_alpha_ ? 4U : 3U); ++c) to[c] = masks_[c].of(pixel);
    }
  }

  const ByteSource& source_;
  PictureRows& rows_;
  std::uint64_t pixels_at_ = 0, stride_ = 0;
  std::uint32_t header_ = 0, width_ = 0, height_ = 0, compression_ = 0, colours_ = 0;
  unsigned bits_ = 0;  // a pixel
  bool top_down_ = false, has_alpha_ = false;
  std::array<std::array<std::uint8_t, 3>, 256> palette_{};  // what a file does not define is black
  std::array<Mask, 4> masks_{};                             // red, green, blue, alpha
  std::vector<unsigned char> row_;
};

}  // namespace

Exif stream_bmp(const ByteSource& source, PictureRows& rows) {
  Bmp(source, rows).decode();
  return {};
}

}  // namespace md
