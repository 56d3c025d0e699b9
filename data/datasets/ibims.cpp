// iBims-1: rooms, a laser scanner. As ibims1_core_raw unpacks (Koch et al., Evaluation of CNN-based Single-Image Depth
// Estimation Methods, 2018): rgb/NAME.png of 640x480, depth/NAME.png of which 65535 are 50 m, and masks in which 0
// marks what is invalid or transparent; calib/NAME.txt begins with the focal length. Factor, masks and the protocol's
// crop and cap are ZoeDepth's (zoedepth/data/ibims.py, utils/config.py). A list may be imagelist.txt with rgb/ and .png
// added.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

/// NAME of "rgb/NAME.png"; "" for other paths.
std::string frame_name(const std::string& image) {
  return image.starts_with("rgb/") ? with_ending(image.substr(4), ".png", "") : "";
}

std::string depth_of_frame(const std::string& image) {
  const std::string name = frame_name(image);
  return name.empty() ? "" : "depth/" + name + ".png";
}

FocalLengths focal_of_frame(const std::string& root) {
  return [root](const std::string& image) {
    const std::string name = frame_name(image);
    return name.empty() ? 0 : focal_of_file(root + "/calib/" + name + ".txt");
  };
}

std::vector<std::string> masks_beside(const std::string& depth) {
  const std::string folder = "/depth/";
  const auto at = depth.rfind(folder);
  if (at == depth.npos) return {};
  const std::string before = depth.substr(0, at), name = depth.substr(at + folder.size());
  return {before + "/mask_invalid/" + name, before + "/mask_transp/" + name};
}

}  // namespace

DatasetTraits ibims_dataset() {
  return {.name = "ibims",
          .help = "65535 = 50 m",
          .implied_depth = depth_of_frame,
          .calibration = focal_of_frame,
          .usual_focal_px = 715.0873,  // without a calibration file; BTS's scaling leaves depth as it is with it
          .units_per_m = 65535.F / 50,
          .masks = masks_beside,
          .cap_m = 10,
          .protocols = {{.name = "ibims_eigen", .crop = ScoreCrop::eigen_nyu}}};
}

}  // namespace md
