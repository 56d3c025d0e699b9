// Depth as coloured points in space.
#pragma once
#include <limits>
#include <string>
#include <vector>

#include "data/image_io.h"
#include "tools/eval/picture_predictor.h"

namespace md {

/// Which points there are, and where.
struct PointCloudOptions {
  double max_distance_m = std::numeric_limits<double>::infinity();  // points with a larger z are left out
  /// Points at depth edges are left out: where the depths of a pixel of the network's map and of the eight around it
  /// differ by more than this part of its own. 0: all stay.
  double edge = 0;
  bool y_up = false;                   // x right, y up, z backward (OpenGL, Blender), instead of y down and z forward
  std::vector<double> center_px = {};  // principal point x, y; empty: the picture's middle
};

/// Writes a binary PLY: for each pixel of the picture that is not left out a vertex with float x, y, z in metres, and
/// its colour; the header has their number. Points lie in the frame of a pinhole camera. `colours` is the whole
/// picture. It goes by rows: little memory, whatever the size. Throws ErrorKind::cannot_write.
void write_point_cloud(const std::string& path, const PictureDepth&, const RgbImage& colours, double focal_px,
                       const PointCloudOptions&);

}  // namespace md
