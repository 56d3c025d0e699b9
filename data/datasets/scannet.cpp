// ScanNet: rooms, depth of a Structure sensor beside the larger images of an iPad. Frames are what ScanNet's SensReader
// exports (github.com/ScanNet/ScanNet, SensReader/python): SCENE/color/0.jpg, SCENE/depth/0.png, SCENE/intrinsic/*.txt.
// Its depth is in millimetres (depth_shift 1000 of the .sens files); where it is asked for another size it takes
// nearest pixels (SensorData.py: cv2.resize(..., interpolation=cv2.INTER_NEAREST)), and leaves the intrinsic files as
// they are.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

std::string depth_beside_color(const std::string& image) {
  const std::string depth = replace_all("/" + image, "/color/", "/depth/").substr(1);
  return depth == image ? "" : with_ending(depth, ".jpg", ".png");
}

FocalLengths focal_of_scene(const std::string& root) {
  return [root](const std::string& image) {
    const auto folder = image.rfind("color/");
    return folder == image.npos ? 0
                                : focal_of_file(root + "/" + image.substr(0, folder) + "intrinsic/intrinsic_color.txt");
  };
}

}  // namespace

DatasetTraits scannet_dataset() {
  return {.name = "scannet",
          .help = "millimetres",
          .implied_depth = depth_beside_color,
          .calibration = focal_of_scene,
          .usual_focal_px = 1170.187988,  // fx_color of scene0001_00 and many others
          .camera_width = 1296,
          .units_per_m = 1000,
          .other_size = OtherSize::nearest,
          .cap_m = 10};
}

}  // namespace md
