// KITTI: streets, LiDAR's sparse depth in 1/256 m. Where its files lie: data/datasets/kitti_files.h. Training pipelines
// as BTS and NeWCRFs have them.
#include "data/datasets.h"
#include "data/datasets/kitti_files.h"
#include "engine/printed.h"

namespace md {
namespace {

constexpr int kKinectEnds = 10'240;     // 10 m in millimetres would be 40 m in 1/256 m
constexpr double kLidarMeasures = 0.5;  // every fifth pixel at most, so less than this part by far

std::string denser_than_lidar(const DepthHistogram& depth) {
  const double dense = double(depth.measured()) / double(depth.pixels());
  if (dense <= kLidarMeasures || depth.highest() > kKinectEnds) return "";
  return printed(
      "%.0f %% of the pixels are measured and none is beyond 40 m, so it is no LiDAR's: NYU's (dataset nyu)?",
      100 * dense);
}

AugmentSpec augmentation(int width, bool always_draw_crop) {
  return {.height = 352,
          .width = width,
          .border = NyuBorder::keep,
          .kb_crop = true,
          .rotation_degree = 1,
          .always_draw_crop = always_draw_crop,
          .brightness = {0.9, 1.1}};
}

FocalLengths calibration_of(const std::string& root) {
  return
      [calibration = KittiCalibration(root)](const std::string& image) mutable { return calibration.focal_px(image); };
}

}  // namespace

DatasetTraits kitti_dataset() {
  return {
      .name = "kitti",
      .help = "1/256 m",
      .places = kitti_places,
      .implied_depth = kitti_official_depth,
      .raw_sweep = kitti_velodyne_raw,
      .calibration = calibration_of,
      .usual_focal_px = 721.5377,  // what BTS and NeWCRFs assume
      .place_name = kitti_convention,
      .units_per_m = 256,
      .other_size = OtherSize::refused,  // cameras of other days have a few pixels more or less: it is another frame
      .implausible = denser_than_lidar,
      .augmentations = {{"bts", augmentation(704, true)}, {"newcrfs", augmentation(1120, false)}},
      .cap_m = 80,
      .protocols = {{.name = "kitti_eigen_garg", .crop = ScoreCrop::garg, .kb_crop = true},
                    {.name = "kitti_eigen_eigen", .crop = ScoreCrop::eigen_kitti, .kb_crop = true},
                    // 256 m is beyond what a 16-bit file of 1/256 m holds.
                    {.name = "kitti_official",
                     .cap_m = 256,
                     .zero_depth = ZeroDepth::filled,
                     .table_columns = {"silog", "sq_err_rel", "abs_rel", "irmse"}}},
      .table_columns = {"abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3"},
  };
}

}  // namespace md
