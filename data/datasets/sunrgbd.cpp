// SUN RGB-D: rooms, four kinds of sensors. Facts: the data set's toolbox (rgbd.cs.princeton.edu, SUNRGBDtoolbox,
// readData/read3dPoints.m): bitor(bitshift(depth, -3), bitshift(depth, 13)) / 1000 metres, and what is beyond 8 m is
// taken for 8 m: not scored here. Images lie in FRAME/image, depth in FRAME/depth or FRAME/depth_bfx under names that
// may differ from the image's, so that a list has to say them; FRAME/intrinsics.txt begins with the focal length.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

FocalLengths focal_of_frame(const std::string& root) {
  return [root](const std::string& image) {
    const auto folder = image.rfind("image/");
    return folder == image.npos ? 0 : focal_of_file(root + "/" + image.substr(0, folder) + "intrinsics.txt");
  };
}

}  // namespace

DatasetTraits sunrgbd_dataset() {
  return {.name = "sunrgbd",
          .help = "millimetres, bits rotated by three",
          .calibration = focal_of_frame,
          .usual_focal_px = 529.5,  // of its Kinect v2, most of its frames; the toolbox's intrinsics of that sensor
          .units_per_m = 1000,
          .stored_units = [](float stored) { return float(rotated_back(std::uint16_t(stored))); },
          .sample_height = 416,  // the smallest frames are 561x427
          .sample_width = 544,
          .cap_m = 8};
}

}  // namespace md
