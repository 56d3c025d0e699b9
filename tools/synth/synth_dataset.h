// A synthetic data set on disk: frames in the folders of NYU Depth V2 (JPEG, 16-bit millimetres, dense with holes) or
// KITTI (PNG, 16-bit 1/256 m along LiDAR lines), and list files. The same seed gives the same files, whatever the
// number of threads; a training and a test list share no scene.
#pragma once
#include <cstdint>
#include <string>

#include "data/dataset.h"
#include "tools/synth/synth_worlds.h"

namespace md::synth {

struct SetSpec {
  DatasetKind kind = DatasetKind::nyu;
  std::string out;  // the data root to be
  std::uint64_t train_frames = 0, test_frames = 0, seed = 0;
  int height = 480, width = 640;

  /// The focal length of the real cameras at 640 and 1242 columns, scaled with the width.
  double focal_px() const { return kind == DatasetKind::nyu ? 518.8579 * width / 640 : 721.5377 * width / 1242; }
};

enum class Split : std::uint8_t { train, test };

struct WrittenSplit {
  std::string list;  // path of the list file: OUT/nyu_train.txt ...
  std::uint64_t frames = 0, scenes = 0;
  double median_depth_m = 0;  // over the measured pixels
};

/// Renders and writes the frames of a split, then its list. Throws ErrorKind::cannot_write.
WrittenSplit write_split(const SetSpec&, Split);

}  // namespace md::synth
