// TUM RGB-D: rooms, a Kinect's depth on the pixels of its colour images. Facts: "File Formats" of the benchmark,
// cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats (640x480, a factor of 5000, 0 = no data, focal lengths of the
// three cameras); lists are what its tool associate.py writes.
#include <filesystem>

#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

/// The camera is told by the name of the sequence, rgbd_dataset_freiburg1_xyz, in the root's name or below it.
FocalLengths focal_by_sequence(const std::string& root) {
  std::error_code ignored;
  const std::string names = std::filesystem::absolute(root, ignored).string() + "/" +
                            std::filesystem::weakly_canonical(root, ignored).string() + "/";
  return [names](const std::string& image) {
    const std::string path = names + image;
    if (contains(path, "freiburg1")) return 517.3;
    if (contains(path, "freiburg2")) return 520.9;
    return contains(path, "freiburg3") ? 535.4 : 0;
  };
}

}  // namespace

DatasetTraits tum_dataset() {
  return {.name = "tum",
          .help = "1/5000 m",
          .calibration = focal_by_sequence,
          .usual_focal_px = 525,  // "ROS default" there
          .camera_width = 640,
          .units_per_m = 5000,
          .cap_m = 10};
}

}  // namespace md
