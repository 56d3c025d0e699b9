// Each kind of file takes rows; all of them take each row once.
#include "tools/eval/depth_files.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "data/npy.h"
#include "data/png_writer.h"
#include "data/rescale.h"
#include "engine/durable_file.h"

namespace md {
namespace {

/// A file that is made of rows of depth in metres.
class RowFile {
 public:
  virtual ~RowFile() = default;
  virtual void row(std::span<const float> depth_m) = 0;
  virtual void commit() = 0;
};

class StoredDepth final : public RowFile {
 public:
  StoredDepth(const std::string& path, const ImageSize& size, double scale, double least, i64& clipped)
      : file_(path, size.height, size.width), scale_(scale), least_(least), clipped_(clipped) {}

  void row(std::span<const float> depth_m) override {
    units_.clear();
    for (const float d : depth_m) {
      const double units = std::round(double(d) * scale_);
      clipped_ += units > kMostStored;
      units_.push_back(std::uint16_t(std::clamp(units, least_, double(kMostStored))));
    }
    file_.write_row(units_.data());
  }
  void commit() override { file_.finish(); }

 private:
  DepthPngWriter file_;
  double scale_, least_;
  i64& clipped_;
  std::vector<std::uint16_t> units_;
};

class ColouredDepth final : public RowFile {
 public:
  ColouredDepth(const std::string& path, const ImageSize& size, const ColorRange& range, Colormap colours)
      : file_(path, size.height, size.width), range_(range), colours_(colours), row_(Tensor::empty({1, size.width})) {}

  void row(std::span<const float> depth_m) override {
    std::ranges::copy(depth_m, row_.data());
    file_.write_row(colorize(row_, range_, colours_).pixels.data());
  }
  void commit() override { file_.finish(); }

 private:
  ColourPngWriter file_;
  ColorRange range_;
  Colormap colours_;
  Tensor row_;
};

class NumpyDepth final : public RowFile {
 public:
  NumpyDepth(const std::string& path, const ImageSize& size) : file_(path) {
    const std::string header = npy_header(size.height, size.width);
    file_.write(header.data(), header.size());
  }
  void row(std::span<const float> depth_m) override { file_.write(depth_m.data(), depth_m.size_bytes()); }
  void commit() override { file_.commit(); }

 private:
  DurableFile file_;
};

std::vector<std::unique_ptr<RowFile>> row_files(const std::string& stem, const PictureDepth& depth,
                                                const DepthFileOptions& o, i64& clipped) {
  const ImageSize& size = depth.picture;
  std::vector<std::unique_ptr<RowFile>> files;
  const double least = o.kitti_benchmark ? 1 : 0;  // the benchmark's server takes 0 for a hole, and fills it
  files.push_back(std::make_unique<StoredDepth>(stem + ".png", size, o.depth_scale, least, clipped));
  if (!o.kitti_benchmark)
    files.push_back(
        std::make_unique<ColouredDepth>(stem + "_color.png", size, color_range(o, depth.depth_m), o.colours));
  if (o.npy) files.push_back(std::make_unique<NumpyDepth>(stem + ".npy", size));
  return files;
}

}  // namespace

std::vector<std::string> depth_file_endings(const DepthFileOptions& o) {
  std::vector<std::string> endings;
  endings.emplace_back(".png");
  if (!o.kitti_benchmark) endings.emplace_back("_color.png");
  if (o.npy) endings.emplace_back(".npy");
  if (o.ply) endings.emplace_back(".ply");
  return endings;
}

ColorRange color_range(const DepthFileOptions& o, const Tensor& depth_m) {
  if (!o.range_per_image) return o.range;
  const auto [low, high] = std::minmax_element(depth_m.data(), depth_m.data() + depth_m.numel());
  return {*low, std::max(*high, std::nextafter(*low, 1e30F))};
}

RgbImage coloured(const PictureDepth& depth, const DepthFileOptions& options) {
  const ImageSize& size = depth.picture;
  const Tensor whole = Tensor::empty({size.height, size.width});
  RescaledRows rows(depth.depth_m, size.height, size.width);
  for (int y = 0; y < size.height; ++y) std::ranges::copy(rows.next(), whole.data() + i64(y) * size.width);
  return colorize(whole, color_range(options, depth.depth_m), options.colours);
}

i64 write_depth_files(const std::string& stem, const PictureDepth& depth, const RgbImage& picture, double focal_px,
                      const DepthFileOptions& options) {
  i64 clipped = 0;
  const auto files = row_files(stem, depth, options, clipped);
  RescaledRows rows(depth.depth_m, depth.picture.height, depth.picture.width);
  for (int y = 0; y < depth.picture.height; ++y) {
    const std::span<const float> row = rows.next();
    for (const auto& file : files) file->row(row);
  }
  if (options.ply) write_point_cloud(stem + ".ply", depth, picture, focal_px, options.cloud);
  for (const auto& file : files) file->commit();
  return clipped;
}

}  // namespace md
