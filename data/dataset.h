// A list file over a data root: frames with their depth in metres. What differs from data set to data set, where files
// lie and what their values mean, is in its record (data/datasets.h). A frame without ground truth (`None`) is an entry
// like any other, with has_depth false.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/frame.h"
#include "data/list_file.h"
#include "engine/tensor.h"

namespace md {

struct DatasetTraits;  // data/datasets.h

/// A picture that other programs show turned, by EXIF, while its depth has no such tag: "NAME: why". Empty: it is not.
std::string turned_remark(const Sample&);

/// Which frames of which data set, and which of their depths.
struct DatasetSpec {
  std::string dataset = "nyu";  // of dataset_names()
  std::string list = {};        // list file
  std::string root = {};        // folder of the images
  std::string depth_root = {};  // folder of the ground truth; empty: root
  bool dense = false;           // take the third column's depth (NeWCRFs' dense NYU list)
  bool velodyne_raw = false;    // take raw LiDAR sweeps instead of KITTI's annotated ground truth
  float depth_scale = 0;        // units of a depth file per metre; 0: the data set's
  float units_per_m() const;    // what that comes to
  double invalid_value = 0;     // stands for "no measurement" in depth files, besides 0 and the data set's own number
  float valid_below_m = 0;      // a measurement at or beyond it is none; 0: all are
};

class Dataset {
 public:
  /// Reads the list, and calibration files where it has no focal lengths; looks for no frame. Throws what read_list
  /// throws, ErrorKind::missing if a root is not a folder, ErrorKind::bad_data if the list has not the depth that is
  /// asked for, and ErrorKind::usage for an unknown data set or sweeps that it has not.
  explicit Dataset(DatasetSpec);

  const DatasetSpec& spec() const { return spec_; }
  const std::vector<ListEntry>& entries() const { return entries_; }
  /// Frames, those without ground truth too.
  i64 size() const { return i64(entries_.size()); }
  /// Entries with ground truth, in list order: what can be trained on.
  const std::vector<i64>& with_depth() const { return with_depth_; }

  /// The files of a frame, looked for once and then remembered; any thread. An image that is not there may have another
  /// ending of pictures than its list says. Throw as resolve_inside does; depth_file wants a frame with ground truth.
  std::string image_file(i64 index) const;
  std::string depth_file(i64 index) const;

  /// Decodes a frame; any thread. Throws, naming the file: ErrorKind::missing, or ErrorKind::bad_data when it is
  /// damaged or image and depth differ in shape.
  Sample load(i64 index) const;
  /// What was not as the list says in the frames that were looked for, a line each: "12 images are .jpg where the list
  /// says .png (first: a.png)". Empty: nothing.
  std::vector<std::string> remarks() const;

  /// load() for training: a frame without one single measurement is ErrorKind::bad_data.
  Sample load_training(i64 index) const;

 private:
  class FoundFiles;
  class Remarks;
  void choose_depth(ListEntry&) const;
  const ListEntry& entry(i64 index) const;
  std::string locate(const std::string& root, const std::string& path) const;
  std::string locate_image(const ListEntry&) const;
  std::string locate_implied_depth(
      const ListEntry&) const;  // in any format, beside the image or below the depth's root

  DatasetSpec spec_;
  const DatasetTraits* traits_;  // of the registry
  std::vector<ListEntry> entries_;
  std::vector<i64> with_depth_;
  std::shared_ptr<FoundFiles> images_, depths_;  // copies of a Dataset share what was found
  std::shared_ptr<Remarks> remarks_;
};

}  // namespace md
