// Rows twice: the header wants the number of points first.
#include "tools/eval/point_cloud.h"

#include <algorithm>
#include <cmath>

#include "data/rescale.h"
#include "engine/durable_file.h"
#include "tools/cli/raw_bytes.h"

namespace md {
namespace {

/// For each pixel of the network's map whether it lies at an edge.
std::vector<char> edges_of(const Tensor& depth_m, double edge) {
  const int height = int(depth_m.dim(0)), width = int(depth_m.dim(1));
  const auto at = [&](int y, int x) { return depth_m.data()[i64(y) * width + x]; };
  std::vector<char> edges(std::size_t(height) * width, 0);
  for (int y = 0; edge > 0 && y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float least = at(y, x), most = least;
      for (int v = std::max(y - 1, 0); v <= std::min(y + 1, height - 1); ++v) {
        for (int u = std::max(x - 1, 0); u <= std::min(x + 1, width - 1); ++u) {
          least = std::min(least, at(v, u));
          most = std::max(most, at(v, u));
        }
      }
      edges[std::size_t(y) * width + x] = double(most - least) > edge * double(at(y, x));
    }
  }
  return edges;
}

/// The points of a picture, row by row.
class Points {
 public:
  Points(const PictureDepth& depth, const PointCloudOptions& options)
      : picture_(depth.picture),
        map_{int(depth.depth_m.dim(0)), int(depth.depth_m.dim(1))},
        options_(options),
        edges_(edges_of(depth.depth_m, options.edge)),
        rows_(depth.depth_m, picture_.height, picture_.width) {}

  /// Calls what(x, y, z) for each point that stays, in the order of pixels.
  template <class What>
  void for_each(What what) {
    for (int y = 0; y < picture_.height; ++y) {
      const std::span<const float> row = rows_.next();
      for (int x = 0; x < picture_.width; ++x) {
        const float z = row[std::size_t(x)];
        if (z <= float(options_.max_distance_m) && !at_edge(y, x)) what(x, y, z);
      }
    }
  }

 private:
  bool at_edge(int y, int x) const {
    const i64 v = i64(y) * map_.height / picture_.height, u = i64(x) * map_.width / picture_.width;
    return edges_[std::size_t(v * map_.width + u)] != 0;
  }

  const ImageSize picture_, map_;
  const PointCloudOptions& options_;
  const std::vector<char> edges_;
  RescaledRows rows_;
};

std::string header_of(i64 points) {
  return cat("ply\nformat binary_little_endian 1.0\nelement vertex ", points,
             "\nproperty float x\nproperty float y\nproperty float z\n",
             "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n");
}

}  // namespace

void write_point_cloud(const std::string& path, const PictureDepth& depth, const RgbImage& colours, double focal_px,
                       const PointCloudOptions& options) {
  constexpr std::size_t kPart = 1 << 20;
  MD_CHECK(colours.height == depth.picture.height && colours.width == depth.picture.width,
           "point cloud: ", colours.height, "x", colours.width, " colours for ", depth.picture.height, "x",
           depth.picture.width);
  Points points(depth, options);
  i64 kept = 0;
  points.for_each([&](int, int, float) { ++kept; });
  const double center_x = options.center_px.empty() ? (colours.width - 1) / 2.0 : options.center_px[0];
  const double center_y = options.center_px.empty() ? (colours.height - 1) / 2.0 : options.center_px[1];
  const float up = options.y_up ? -1.F : 1.F;
  DurableFile file(path);
  std::string bytes = header_of(kept);
  points.for_each([&](int x, int y, float z) {
    append_raw(bytes, float((x - center_x) * double(z) / focal_px));
    append_raw(bytes, up * float((y - center_y) * double(z) / focal_px));
    append_raw(bytes, up * z);
    const std::size_t pixel = std::size_t(y) * colours.width + std::size_t(x);
    bytes.append(reinterpret_cast<const char*>(&colours.pixels[pixel * 3]), 3);
    if (bytes.size() < kPart) return;
    file.write(bytes.data(), bytes.size());
    bytes.clear();
  });
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace md
