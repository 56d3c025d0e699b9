// `mdeval predict`: depth for a user's own images, as files that other programs read.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/cli/device_option.h"
#include "tools/cli/exit_code.h"

namespace md {

/// What `mdeval predict` is asked for.
struct PredictCommand {
  std::string checkpoint, out, colormap = "turbo";
  DeviceOptions device;
  std::vector<std::string> inputs;   // images, folders of images, "-": names on stdin
  std::vector<double> range_m = {};  // near, far of the colours; empty: 0 to the network's largest depth
  bool range_per_image = false;      // the image's own smallest and largest depth instead
  double depth_scale = 1000;         // of the 16-bit PNG: 1000 is NYU's millimetres, 256 KITTI's
  bool kitti_benchmark = false;      // what KITTI's server takes: NAME.png of metres * 256, and nothing else
  bool flip_average = false;         // as in data/score.h
  bool npy = false, ply = false;
  double focal_px = 0;                 // of the point cloud, and of networks that need it
  std::vector<double> center_px = {};  // principal point x, y; empty: the image's middle
};

/// Defines the options of `mdeval predict`.
void add_predict_options(CLI::App&, PredictCommand&);

/// For each image NAME.jpg: NAME.png (16-bit depth), NAME_color.png and, where asked, NAME.npy (float32 metres [H,W])
/// and NAME.ply (a coloured point cloud in the camera's frame, metres). Images that the network cannot take, or that
/// cannot be read, end it with an error that names them; what was written before stays. Never overwrites an image that
/// it is given.
Exit predict(const PredictCommand&);

}  // namespace md
