// PNG files written row by row, so that a picture of any size needs memory for a row only. Durable: a file appears
// under its name when finish() has returned, or not at all.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace md {

struct PngFile;

/// Samples of 16 bits are grey, those of 8 bits RGB.
template <class Sample>
class PngWriter {
 public:
  /// Throws ErrorKind::cannot_write, naming the path, as write_row and finish do.
  PngWriter(const std::string& path, int height, int width);
  /// Without finish() nothing is left of it, and an older file of that name stays.
  ~PngWriter();
  /// The next row from the top: `width` samples, or 3 * `width` of RGB. REQUIRES: no more than `height` rows.
  void write_row(const Sample* samples);
  /// REQUIRES: all rows were written.
  void finish();

 private:
  std::unique_ptr<PngFile> file_;
};

using DepthPngWriter = PngWriter<std::uint16_t>;
using ColourPngWriter = PngWriter<std::uint8_t>;
extern template class PngWriter<std::uint16_t>;
extern template class PngWriter<std::uint8_t>;

}  // namespace md
