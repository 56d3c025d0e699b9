// Rows are collected for now.
#include "data/png_writer.h"

#include "data/image_io.h"
#include "engine/check.h"

namespace md {

struct DepthPngWriter::State {
  std::string path;
  DepthImage image;
};
struct ColourPngWriter::State {
  std::string path;
  RgbImage image;
};

DepthPngWriter::DepthPngWriter(const std::string& path, int height, int width)
    : state_(new State{path, {height, width, {}}}) {}
DepthPngWriter::~DepthPngWriter() = default;
void DepthPngWriter::write_row(const std::uint16_t* samples) {
  state_->image.pixels.insert(state_->image.pixels.end(), samples, samples + state_->image.width);
}
void DepthPngWriter::finish() { write_png(state_->path, state_->image); }

ColourPngWriter::ColourPngWriter(const std::string& path, int height, int width)
    : state_(new State{path, {height, width, {}}}) {}
ColourPngWriter::~ColourPngWriter() = default;
void ColourPngWriter::write_row(const std::uint8_t* samples) {
  state_->image.pixels.insert(state_->image.pixels.end(), samples, samples + std::size_t(3) * state_->image.width);
}
void ColourPngWriter::finish() { write_png(state_->path, state_->image); }

}  // namespace md
