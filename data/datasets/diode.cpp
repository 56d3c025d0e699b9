// DIODE: rooms and streets, a laser scanner. Facts: github.com/diode-dataset/diode-devkit: NAME.png of 1024x768,
// NAME_depth.npy in metres, NAME_depth_mask.npy ("1 denotes valid sensor return and 0 otherwise"), focal length 886.81
// (intrinsics.txt; 927.06 down the image), and 300 m as the farthest that its plots show (diode.py). Whether its depth
// is a distance from the camera's plane or from its centre, the devkit does not say: it is taken as it stands.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

std::vector<std::string> mask_beside(const std::string& depth) {
  const std::string mask = with_ending(depth, "_depth.npy", "_depth_mask.npy");
  return mask.empty() ? std::vector<std::string>() : std::vector{mask};
}

}  // namespace

DatasetTraits diode_dataset() {
  return {.name = "diode",
          .help = "metres",
          .implied_depth = [](const std::string& image) { return with_ending(image, ".png", "_depth.npy"); },
          .usual_focal_px = 886.81,
          .camera_width = 1024,
          .units_per_m = 256,  // of 16-bit copies, as iDisc makes them (github.com/SysCV/idisc/issues/9)
          .masks = mask_beside,
          .cap_m = 300,
          // The caps that ZoeDepth evaluates with (zoedepth/utils/config.py).
          .protocols = {{.name = "diode_indoor", .cap_m = 10}, {.name = "diode_outdoor", .cap_m = 80}}};
}

}  // namespace md
