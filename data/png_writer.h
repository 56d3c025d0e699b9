// PNG files written row by row, so that a picture of any size needs memory for a row only. Durable: a file appears
// under its name when finish() has returned, or not at all.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace md {

struct PngFile;

/// 16-bit grey.
class DepthPngWriter {
 public:
  /// Throws ErrorKind::cannot_write, naming the path, as write_row and finish do.
  DepthPngWriter(const std::string& path, int height, int width);
  /// Without finish() nothing is left of it, and an older file of that name stays.
  ~DepthPngWriter();
  /// The next row from the top, `width` samples. REQUIRES: no more than `height` rows.
  void write_row(const std::uint16_t* samples);
  /// REQUIRES: all rows were written.
  void finish();

 private:
  std::unique_ptr<PngFile> file_;
};

/// 8-bit RGB.
class ColourPngWriter {
 public:
  /// Throws ErrorKind::cannot_write, naming the path, as write_row and finish do.
  ColourPngWriter(const std::string& path, int height, int width);
  /// Without finish() nothing is left of it, and an older file of that name stays.
  ~ColourPngWriter();
  /// The next row from the top, 3 * `width` samples. REQUIRES: no more than `height` rows.
  void write_row(const std::uint8_t* samples);
  /// REQUIRES: all rows were written.
  void finish();

 private:
  std::unique_ptr<PngFile> file_;
};

}  // namespace md
