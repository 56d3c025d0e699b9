// Virtual KITTI 2: KITTI's streets, rendered. Depth PNGs are in centimetres, the sky is 65535, as far as they go;
// images are 1242x375 with a focal length of 725.0087 (vkitti_2.0.3_textgt, intrinsic.txt; europe.naverlabs.com,
// proxy-virtual-worlds-vkitti-2). Folders as it unpacks: SCENE/VARIANT/frames/rgb/Camera_0/rgb_00001.jpg.
#include "data/datasets.h"
#include "data/datasets/file_names.h"

namespace md {
namespace {

std::string depth_beside_rgb(const std::string& image) {
  const std::string depth = replace_all(replace_all("/" + image, "/rgb/", "/depth/"), "/rgb_", "/depth_").substr(1);
  return depth == image ? "" : with_ending(depth, ".jpg", ".png");
}

/// The archives of images and of depth hold the same folders; some unpack them as rgb/SCENE and depth/SCENE.
std::vector<std::string> vkitti2_places(const std::string& path) { return {path, "rgb/" + path, "depth/" + path}; }

}  // namespace

DatasetTraits vkitti2_dataset() {
  return {.name = "vkitti2",
          .help = "centimetres, 65535 = sky",
          .places = vkitti2_places,
          .implied_depth = depth_beside_rgb,
          .usual_focal_px = 725.0087,
          .camera_width = 1242,
          .units_per_m = 100,
          .not_measured = 65535,
          .sample_height = 352,  // KITTI's: its usual 480 rows are more than there are
          .sample_width = 704,
          .cap_m = 80,
          // As ZoeDepth evaluates it (zoedepth/utils/config.py): KITTI's crops and cap.
          .protocols = {{.name = "vkitti2_garg", .crop = ScoreCrop::garg, .kb_crop = true}},
          .table_columns = {"abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3"}};
}

}  // namespace md
