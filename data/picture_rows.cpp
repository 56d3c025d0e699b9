// All eight of EXIF's orientations are one formula: a first pixel and a step for x and for y.
#include "data/picture_rows.h"

#include <algorithm>
#include <cstring>

#include "engine/check.h"

namespace md {
namespace {

constexpr int kBandRows = 16;
constexpr int kMostBox = 4096;

}  // namespace

void check_picture_size(std::uint64_t width, std::uint64_t height, const RowsSpec& limits) {
  const auto refuse = [&](const auto&... why) {
    fail(ErrorKind::bad_data, limits.name, ": ", width, "x", height, why...);
  };
  if (width == 0 || height == 0) refuse(" pixels are none");
  if (std::max(width, height) > std::uint64_t(limits.max_side))
    refuse(" pixels are more than ", limits.max_side, " a side");
  if (width * height > std::uint64_t(limits.max_pixels)) refuse(" pixels are more than ", limits.max_pixels);
}

void PictureRows::check_size(std::uint64_t width, std::uint64_t height) {
  check_picture_size(width, height, spec_);
  file_width_ = int(width);
  file_height_ = int(height);
}

int PictureRows::halvings(int height, int width, int most) const {
  const int side = std::min(height, width);
  int halved = 0;
  while (spec_.shorter_side > 0 && halved < most && (side - 1) / (2 << halved) + 1 >= spec_.shorter_side) ++halved;
  return halved;
}

void PictureRows::begin(int height, int width, Samples samples, int orientation, std::uint64_t decoder_bytes) {
  height_ = height;
  width_ = width;
  samples_ = samples;
  if (spec_.shorter_side > 0) box_ = std::clamp(std::min(height, width) / spec_.shorter_side, 1, kMostBox);
  out_height_ = (height + box_ - 1) / box_;
  out_width_ = (width + box_ - 1) / box_;
  const std::uint64_t bytes = std::uint64_t(out_height_) * std::uint64_t(out_width_) * 3;
  if (bytes + decoder_bytes > max_picture_bytes) {
    fail(ErrorKind::bad_data, name(), ": to decode ", width, "x", height, " pixels of this kind of file takes ",
         (bytes + decoder_bytes) >> 20, " MiB, and ", max_picture_bytes >> 20,
         " are allowed; make it smaller: convert IN -resize 50% OUT.jpg");
  }
  const bool turned = orientation >= 5;  // rows become columns
  image_.height = turned ? out_width_ : out_height_;
  image_.width = turned ? out_height_ : out_width_;
  image_.pixels.resize(bytes);
  // The corner of the upright picture where the first stored pixel goes (Exif 2.32, 4.6.4).
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const std::ptrdiff_t right = from_right ? -1 : 1, down = from_bottom ? -image_.width : image_.width;
  first_ = (from_right ? image_.width - 1 : 0) + (from_bottom ? std::ptrdiff_t(image_.height - 1) * image_.width : 0);
  step_x_ = turned ? down : right;
  step_y_ = turned ? right : down;
  if (samples != Samples::rgb) opaque_.resize(std::size_t(width) * 3);
  if (box_ > 1) {
    sums_.assign(std::size_t(out_width_) * 3, 0);
    averages_.resize(sums_.size());
  }
  if (turned) band_.resize(std::size_t(out_width_) * 3 * kBandRows);
}

void PictureRows::take(const std::uint8_t* samples) {
  MD_CHECK(taken_ < height_, name(), ": more than ", height_, " rows");
  ++taken_;
  const std::uint8_t* rgb = opaque(samples);
  if (box_ == 1) {
    place(rgb);
    return;
  }
  add_to_boxes(rgb);
}

RgbImage PictureRows::finish() {
  MD_CHECK(height_ > 0 && taken_ == height_, name(), ": ", taken_, " rows of ", height_);
  write_band();
  return std::move(image_);
}

/// The row over white, or as it is.
const std::uint8_t* PictureRows::opaque(const std::uint8_t* samples) {
  if (samples_ == Samples::rgb) return samples;
  std::uint8_t* rgb = opaque_.data();
  for (int x = 0; x < width_; ++x, samples += 4) {
    const unsigned alpha = spec_.alpha == Alpha::ignore ? 255U : samples[3];
    for (int c = 0; c < 3; ++c) {
      const unsigned colour =
          samples_ == Samples::rgba ? samples[c] * alpha : std::min(samples[c] * 255U, alpha * 255U);
      *rgb++ = std::uint8_t((colour + 255U * (255U - alpha) + 127U) / 255U);
    }
  }
  return opaque_.data();
}

void PictureRows::add_to_boxes(const std::uint8_t* rgb) {
  for (int box = 0, x = 0; box < out_width_; ++box) {
    std::uint64_t* sum = &sums_[std::size_t(box) * 3];
    for (const int end = std::min(width_, x + box_); x < end; ++x, rgb += 3) {
      for (int c = 0; c < 3; ++c) sum[c] += rgb[c];
    }
  }
  if (taken_ % box_ != 0 && taken_ != height_) return;
  const int rows = (taken_ - 1) % box_ + 1;
  for (int box = 0; box < out_width_; ++box) {
    const auto pixels = std::uint64_t(rows) * std::uint64_t(std::min(box_, width_ - box * box_));
    for (std::size_t i = std::size_t(box) * 3; i < std::size_t(box) * 3 + 3; ++i)
      averages_[i] = std::uint8_t((sums_[i] + pixels / 2) / pixels);
  }
  std::ranges::fill(sums_, 0);
  place(averages_.data());
}

void PictureRows::place(const std::uint8_t* rgb) {
  const std::size_t row = std::size_t(out_width_) * 3;
  if (!band_.empty()) {
    std::memcpy(&band_[std::size_t(banded_) * row], rgb, row);
    if (++banded_ == kBandRows) write_band();
    return;
  }
  std::uint8_t* to = image_.pixels.data() + (first_ + placed_ * step_y_) * 3;
  ++placed_;
  if (step_x_ == 1) {
    std::memcpy(to, rgb, row);
    return;
  }
  for (int x = 0; x < out_width_; ++x, rgb += 3, to += step_x_ * 3) std::memcpy(to, rgb, 3);
}

void PictureRows::write_band() {
  const std::size_t row = std::size_t(out_width_) * 3;
  for (int x = 0; x < out_width_ && banded_ > 0; ++x) {
    std::uint8_t* to = image_.pixels.data() + (first_ + placed_ * step_y_ + x * step_x_) * 3;
    for (int y = 0; y < banded_; ++y)
      std::memcpy(to + y * step_y_ * 3, &band_[std::size_t(y) * row + std::size_t(x) * 3], 3);
  }
  placed_ += banded_;
  banded_ = 0;
}

}  // namespace md
