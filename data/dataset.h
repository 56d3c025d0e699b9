// A list file over a data root: the readers of NYU Depth V2 (value/1000 m), KITTI (value/256 m) and of a user's own
// frames (value/depth_scale m). Files are found where the downloads unpack: NYU's also below sync/ and the official
// splits' train/ and test/, KITTI's as data/kitti.h says. A frame without ground truth (`None`) is an entry like any
// other, with has_depth false.
#pragma once
#include <string>
#include <vector>

#include "data/image_io.h"
#include "data/list_file.h"
#include "engine/tensor.h"

namespace md {

enum class DatasetKind : std::uint8_t { nyu, kitti, plain };
/// "nyu", "kitti" or "plain"; throws ErrorKind::usage.
DatasetKind dataset_kind(const std::string& name);
/// Units of a 16-bit depth file per metre: 1000, 256, or for `plain` the commonest, 1000.
float depth_units_per_m(DatasetKind);

/// One frame in full size.
struct Sample {
  RgbImage image;                      // [H,W,3]
  std::vector<float> depth_m;          // [H,W], 0 = no measurement; empty without ground truth
  double focal_px = 0;                 // the list's, KITTI's calibration's, or the data set's usual one
  std::string image_name, depth_name;  // as in the list; depth_name empty without ground truth
  bool has_depth() const { return !depth_m.empty(); }
};

struct DatasetSpec {
  DatasetKind kind = DatasetKind::nyu;
  std::string list = {};        // list file
  std::string root = {};        // folder of the images
  std::string depth_root = {};  // folder of the ground truth; empty: root
  bool dense = false;           // take the third column's depth (NeWCRFs' dense NYU list)
  bool velodyne_raw = false;    // take raw LiDAR sweeps instead of KITTI's annotated ground truth
  float depth_scale = 0;        // units of a depth file per metre; 0: depth_units_per_m(kind)
  float units_per_m() const { return depth_scale > 0 ? depth_scale : depth_units_per_m(kind); }
};

class Dataset {
 public:
  /// Reads the list, and KITTI's calibration files where it has no focal lengths. Throws what read_list throws,
  /// ErrorKind::missing if a root is not a folder, and ErrorKind::bad_data if the list has not the depth that is asked
  /// for.
  explicit Dataset(DatasetSpec);

  const DatasetSpec& spec() const { return spec_; }
  const std::vector<ListEntry>& entries() const { return entries_; }
  i64 size() const { return i64(entries_.size()); }
  /// Entries with ground truth, in list order: what can be trained on.
  const std::vector<i64>& with_depth() const { return with_depth_; }

  /// The files of a frame. Throw as resolve_inside does; depth_file wants a frame with ground truth.
  std::string image_file(i64 index) const;
  std::string depth_file(i64 index) const;

  /// Decodes a frame; any thread. Throws, naming the file: ErrorKind::missing, or ErrorKind::bad_data when it is
  /// damaged or image and depth differ in size.
  Sample load(i64 index) const;
  /// load() for training: a frame without one single measurement is ErrorKind::bad_data.
  Sample load_training(i64 index) const;

 private:
  void choose_depth(ListEntry&) const;
  const ListEntry& entry(i64 index) const;

  DatasetSpec spec_;
  std::vector<ListEntry> entries_;
  std::vector<i64> with_depth_;
};

}  // namespace md
