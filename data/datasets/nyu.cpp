// NYU Depth V2: rooms, dense depth of a Kinect in millimetres. Lists, folders and training pipelines as BTS and NeWCRFs
// have them.
#include "data/datasets.h"
#include "engine/printed.h"

namespace md {
namespace {

constexpr int kKinectEndsMm = 10'500;  // 10 m, with some tolerance

/// As the downloads unpack: the official splits have train/ and test/, NeWCRFs' frames sync/.
std::vector<std::string> nyu_places(const std::string& path) {
  std::vector<std::string> all = {path};
  for (const char* folder : {"sync/", "train/", "test/", "official_splits/train/", "official_splits/test/"}) {
    all.push_back(folder + path);
  }
  return all;
}

std::string beyond_the_kinect(const DepthHistogram& depth) {
  const double beyond = double(depth.above(kKinectEndsMm)) / double(depth.measured());
  if (beyond <= 0.01) return "";
  return printed("%.0f %% is beyond 10.5 m, where NYU's Kinect is blind: KITTI's (dataset kitti)?", 100 * beyond);
}

}  // namespace

DatasetTraits nyu_dataset() {
  return {
      .name = "nyu",
      .help = "millimetres",
      .places = nyu_places,
      .usual_focal_px = 518.8579,  // what BTS and NeWCRFs assume
      .units_per_m = 1000,
      .implausible = beyond_the_kinect,
      .augmentations = {{"bts", {}},  // AugmentSpec's defaults
                        {"newcrfs",
                         {.height = 480, .width = 640, .border = NyuBorder::zero_depth, .always_draw_crop = false}}},
      .white_border = true,
      .cap_m = 10,
      .protocols = {{.name = "nyu_eigen", .crop = ScoreCrop::eigen_nyu}},
      .table_columns = {"abs_rel", "rmse", "log10", "d1", "d2", "d3"}};
}

}  // namespace md
