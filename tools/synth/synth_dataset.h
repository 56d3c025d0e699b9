// A synthetic data set on disk: frames in the folders of NYU Depth V2 (JPEG, 16-bit millimetres, dense with holes) or
// KITTI (PNG, 16-bit 1/256 m along LiDAR lines), and list files. The same seed gives the same files, whatever the
// number of threads; a training and a test list share no scene.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// A real data set whose layout is imitated (a record of it in data/datasets.h says how such files are read).
struct Layout {
  const char* dataset;
  const char* help;
  WorldKind world;
  bool lidar;         // KITTI's folders, PNG frames, depth along lines; else NYU's, JPEG frames, dense depth with holes
  int height, width;  // of the real frames
  double focal_px;    // of the real cameras, at that width
  int least_height = 32;
};
/// NYU's and KITTI's.
const std::vector<Layout>& layouts();

/// A data set to be made.
struct SetSpec {
  const Layout* layout = &layouts().front();  // NYU's
  std::string out = {};                       // the data root to be
  std::uint64_t train_frames = 0, test_frames = 0, seed = 0;
  int height = layout->height, width = layout->width;

  /// Scaled with the width.
  double focal_px() const { return layout->focal_px * width / layout->width; }
};

/// Which list the frames are for; the two share no world.
enum class Split : std::uint8_t { train, test };

/// What was written.
struct WrittenSplit {
  std::string list;  // path of the list file: OUT/nyu_train.txt ...
  std::uint64_t frames = 0, scenes = 0;
  double median_depth_m = 0;  // over the measured pixels
};

/// Renders and writes the frames of a split, then its list. Throws ErrorKind::cannot_write.
WrittenSplit write_split(const SetSpec&, Split);

}  // namespace md::synth
