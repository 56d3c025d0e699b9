// Where KITTI's files lie and what they say about each other: its downloads disagree about folders, its official splits
// imply the ground truth, and its calibration files have the focal length.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace md {

/// Where a path of a list may lie below a root, in the order to try: as listed, then with or without the folder per day
/// (DATE/DRIVE/... in the raw data, DRIVE/... in the ground truth), then both below train/ and val/, into which the
/// annotated ground truth unpacks.
std::vector<std::string> kitti_places(const std::string& path);

/// The ground truth of a frame of the official validation split: .../val_selection_cropped/image/DRIVE_image_N_image_02
/// has it at .../groundtruth_depth/DRIVE_groundtruth_depth_N_image_02. Empty for any other frame.
std::string kitti_official_depth(const std::string& image);

/// The raw LiDAR sweep beside annotated ground truth; empty where `depth` is none.
std::string kitti_velodyne_raw(const std::string& depth);

/// "DATE/DRIVE/image_02/data": the folder of a file below its root, without what is this file's own.
std::string kitti_convention(const std::string& file);

/// Focal lengths from calib_cam_to_cam.txt (P_rect_02, P_rect_03) of the raw data's DATE folders, and from
/// intrinsics/NAME.txt of the official splits.
class KittiCalibration {
 public:
  explicit KittiCalibration(std::string root) : root_(std::move(root)) {}
  /// In pixels; 0 where there is no calibration file for this image. Throws ErrorKind::bad_data, naming the file, where
  /// it holds no focal length.
  double focal_px(const std::string& image);

 private:
  std::string root_;
  std::map<std::string, double> known_;  // file and key
};

}  // namespace md
