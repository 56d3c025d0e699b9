// Hypersim: rooms, rendered. Facts: github.com/apple/ml-hypersim, README.md: frame.IIII.depth_meters.hdf5 holds
// "Euclidean distances (in meters) to the optical center of the camera", 1024x768, a horizontal field of view of 60
// degrees, which is a focal length of 512 / tan(30 degrees) = 886.81; planar depth as in its issue 9. Scenes whose lens
// is shifted have another projection (contrib/mikeroberts3000), which is not corrected here. HDF5 is not read: a depth
// file is the same array as .npy, .npz or .exr (the error for one names the command), below the same folders.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

std::string depth_of_frame(const std::string& image) {
  const std::string depth = replace_all(image, "_final_preview/", "_geometry_hdf5/");
  for (const char* const ending : {".tonemap.jpg", ".tonemap.png", ".color.jpg"}) {
    if (const std::string name = with_ending(depth, ending, ".depth_meters.npy"); !name.empty()) return name;
  }
  return "";
}

}  // namespace

DatasetTraits hypersim_dataset() {
  return {.name = "hypersim",
          .help = "metres from the camera's centre",
          .implied_depth = depth_of_frame,
          .usual_focal_px = 886.81,
          .camera_width = 1024,
          .units_per_m = 1000,  // of 16-bit copies, whose numbers are along rays as well
          .along_ray = true,
          .cap_m = 80};  // as ZoeDepth evaluates it (zoedepth/utils/config.py)
}

}  // namespace md
