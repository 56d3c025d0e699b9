// A list file over a data root: the NYU Depth V2 and KITTI readers. NYU depth is value/1000 m, KITTI value/256 m.
// KITTI frames are found in both directory conventions, DATE/DRIVE/... (raw) and DRIVE/... (ground truth), whichever
// the list has, and below train/ and val/, into which the annotated ground truth unpacks. A frame without ground truth
// (`None`) is an entry like any other, with has_depth false.
#pragma once
#include <string>
#include <vector>

#include "data/image_io.h"
#include "data/list_file.h"
#include "engine/tensor.h"

namespace md {

enum class DatasetKind : std::uint8_t { nyu, kitti };
/// "nyu" or "kitti"; throws Exit::usage.
DatasetKind dataset_kind(const std::string& name);
/// Units of a 16-bit depth file per metre: 1000 or 256.
float depth_units_per_m(DatasetKind);

/// One frame in full size.
struct Sample {
  RgbImage image;                      // [H,W,3]
  std::vector<float> depth_m;          // [H,W], 0 = no measurement; empty without ground truth
  double focal_px = 0;                 // the list's, or the data set's usual one
  std::string image_name, depth_name;  // as in the list; depth_name empty without ground truth
  bool has_depth() const { return !depth_m.empty(); }
};

struct DatasetSpec {
  DatasetKind kind = DatasetKind::nyu;
  std::string list = {};        // list file
  std::string root = {};        // folder of the images
  std::string depth_root = {};  // folder of the ground truth; empty: root
  bool dense = false;           // take the third column's depth (NeWCRFs' dense NYU list)
};

class Dataset {
 public:
  /// Reads the list. Throws what read_list throws, and Exit::missing_input if a root is not a folder.
  explicit Dataset(DatasetSpec);

  const DatasetSpec& spec() const { return spec_; }
  const std::vector<ListEntry>& entries() const { return entries_; }
  i64 size() const { return i64(entries_.size()); }
  /// Entries with ground truth, in list order: what can be trained on.
  const std::vector<i64>& with_depth() const { return with_depth_; }

  /// Decodes a frame; any thread. Throws, naming the file: Exit::missing_input, or Exit::bad_data when it is damaged or
  /// image and depth differ in size.
  Sample load(i64 index) const;
  /// load() for training: a frame without one single measurement is Exit::bad_data.
  Sample load_training(i64 index) const;

 private:
  DatasetSpec spec_;
  std::vector<ListEntry> entries_;
  std::vector<i64> with_depth_;
};

}  // namespace md
