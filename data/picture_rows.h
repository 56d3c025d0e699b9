// Where decoders put a picture: row by row, as stored. It lays transparency over white, averages boxes of pixels where
// a smaller picture will do, and turns the result upright, in no more memory than the result. Internal to data/.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/picture.h"

namespace md {

/// What a row's samples are, 8 bits each. Premultiplied: colours are already weighted with their alpha.
enum class Samples { rgb, rgba, rgba_premultiplied };

/// What is wanted of a picture, and what it may cost.
struct RowsSpec {
  std::string name = {};  // of the file, for messages
  Alpha alpha = Alpha::ignore;
  int shorter_side = 0;  // as PictureOptions has it
  int max_side = max_image_side;
  std::int64_t max_pixels = max_image_pixels;
};

/// The most bytes that one picture may take, its decoder's included.
inline constexpr std::uint64_t max_picture_bytes = std::uint64_t{1} << 30;
/// Passes over all pixels that a progressive JPEG may ask for, times its pixels: hundreds of scans cost a few bytes
/// each.
inline constexpr std::int64_t max_scanned_pixels = std::int64_t{500} << 25;

/// Throws ErrorKind::bad_data, naming the file, for a size of no pixels, or of more than `limits` allow.
void check_picture_size(std::uint64_t width, std::uint64_t height, const RowsSpec& limits);

/// A picture on its way from a decoder to memory.
class PictureRows {
 public:
  explicit PictureRows(RowsSpec spec) : spec_(std::move(spec)) {}

  const std::string& name() const { return spec_.name; }

  // A decoder calls these in this order.

  /// Before memory is taken for the picture: the size that the file claims, as stored. Throws ErrorKind::bad_data.
  void check_size(std::uint64_t width, std::uint64_t height);
  /// How often a decoder that halves pictures on its way may halve this one, at most `most` times.
  int halvings(int height, int width, int most) const;
  /// Rows of this size follow; `orientation` is EXIF's. `decoder_bytes` is what the decoder itself needs: together with
  /// the result no more than max_picture_bytes, else ErrorKind::bad_data.
  void begin(int height, int width, Samples, int orientation, std::uint64_t decoder_bytes);
  /// The next row from the top as stored.
  void take(const std::uint8_t* samples);

  /// REQUIRES: all rows were taken.
  RgbImage finish();
  /// What check_size() was told.
  int file_height() const { return file_height_; }
  int file_width() const { return file_width_; }

 private:
  const std::uint8_t* opaque(const std::uint8_t* samples);
  void add_to_boxes(const std::uint8_t* rgb);
  void place(const std::uint8_t* rgb);
  void write_band();

  RowsSpec spec_;
  Samples samples_ = Samples::rgb;
  int file_height_ = 0, file_width_ = 0;
  int height_ = 0, width_ = 0;                          // of the rows that come
  int box_ = 1;                                         // side of the boxes that are averaged
  int taken_ = 0;                                       // rows
  int out_width_ = 0, out_height_ = 0;                  // reduced, as stored
  RgbImage image_;                                      // reduced, upright
  std::ptrdiff_t first_ = 0, step_x_ = 0, step_y_ = 0;  // where pixel (x, y) as stored goes, in pixels of image_
  int placed_ = 0;                                      // reduced rows in image_
  std::vector<std::uint8_t> opaque_;                    // one row
  std::vector<std::uint64_t> sums_;                     // a row of boxes
  std::vector<std::uint8_t> averages_;                  // a reduced row
  std::vector<std::uint8_t> band_;  // reduced rows that are turned together: a column of them is one piece of memory
  int banded_ = 0;
};

}  // namespace md
