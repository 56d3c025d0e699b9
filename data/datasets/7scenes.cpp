// 7-Scenes: rooms, a Kinect's depth. Facts: microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes:
// frame-XXXXXX.color.png beside frame-XXXXXX.depth.png, 640x480, "depth in millimeters, 16-bit, PNG, invalid depth is
// set to 65535", focal length 585. That is the depth camera's: colour and depth are as the two cameras saw them, not
// registered to each other.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {

DatasetTraits seven_scenes_dataset() {
  return {.name = "7scenes",
          .help = "millimetres, 65535 = none",
          .implied_depth = [](const std::string& image) { return with_ending(image, ".color.png", ".depth.png"); },
          .usual_focal_px = 585,
          .camera_width = 640,
          .units_per_m = 1000,
          .not_measured = 65535,
          .cap_m = 10};
}

}  // namespace md
