// The files that one prediction becomes: 16-bit and colour PNG, NumPy, points.
#pragma once
#include <string>
#include <vector>

#include "data/colormap.h"
#include "tools/eval/point_cloud.h"

namespace md {

/// The largest number in a 16-bit PNG; 0 stands for "no depth".
inline constexpr int kMostStored = 65535;

/// Which files, and what is in them.
struct DepthFileOptions {
  bool kitti_benchmark = false;  // what KITTI's server takes: NAME.png of metres * 256, without 0, and nothing else
  bool npy = false, ply = false;
  double depth_scale = 1000;     // units of NAME.png per metre
  ColorRange range = {};         // of NAME_color.png
  bool range_per_image = false;  // its own smallest and largest depth instead
  Colormap colours = Colormap::turbo;
  PointCloudOptions cloud = {};
};

/// ".png", "_color.png" and so on: what is written of each picture.
std::vector<std::string> depth_file_endings(const DepthFileOptions&);

/// Which depths have the first and the last colour of this map.
ColorRange color_range(const DepthFileOptions&, const Tensor& depth_m);

/// What STEM_color.png shows.
RgbImage coloured(const PictureDepth&, const DepthFileOptions&);

/// Writes STEM.png (16-bit depth), STEM_color.png and, where asked, STEM.npy (float32 metres [H,W]) and STEM.ply, all
/// of the picture's size, row by row; each appears when it is whole. `picture` is only for points, and then has every
/// pixel. Returns how many pixels lie beyond what STEM.png can hold. Throws ErrorKind::cannot_write.
i64 write_depth_files(const std::string& stem, const PictureDepth&, const RgbImage& picture, double focal_px,
                      const DepthFileOptions&);

}  // namespace md
