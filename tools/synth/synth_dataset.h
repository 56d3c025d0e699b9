// A synthetic data set on disk: frames in the folders of NYU Depth V2 (JPEG, 16-bit millimetres, dense with holes) or
// KITTI (PNG, 16-bit 1/256 m along LiDAR lines), and list files. The same seed gives the same files, whatever the
// number of threads; a training and a test list share no scene. A video is frames of one room in NYU's layout.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// What becomes of the exact depth: nothing; 0 where a Kinect measures nothing (keep_structured_light); a Kinect's
/// noise as well (synth_kinect.h); 0 beside a LiDAR's lines.
enum class Sensor : std::uint8_t { none, holes, kinect, lidar };

/// A real data set whose layout is imitated (a record of it in data/datasets.h says how such files are read).
struct Layout {
  const char* name;  // what a user calls it
  const char* dataset;
  const char* help;
  WorldKind world;
  bool drives;                                          // KITTI's folders, PNG frames; else NYU's, JPEG frames
  int height, width;                                    // of the real frames
  double focal_px;                                      // of the real cameras, at that width
  std::vector<std::pair<std::string, Sensor>> sensors;  // that it can have, the usual one first
  bool video = false;                                   // one walk through a room
  int least_height = 32;
};
/// NYU's, KITTI's and a video's.
const std::vector<Layout>& layouts();

/// A data set to be made.
struct SetSpec {
  const Layout* layout = &layouts().front();  // NYU's
  std::string out = {};                       // the data root to be
  std::uint64_t train_frames = 0, test_frames = 0, seed = 0;
  int height = layout->height, width = layout->width;
  Detail detail = Detail::basic;  // of rooms
  Sensor sensor = layout->sensors.front().second;
  double shutter_s = 0;                             // how long it is open while the camera moves; 0: the camera stands
  std::optional<double> exposure_error_stops = {};  // automatic, off by up to so much; none: light is taken as it is
  std::uint64_t room = 1;                           // of a video: the world's number
  double frames_a_second = 30;                      // of a video

  /// Scaled with the width.
  double focal_px() const { return layout->focal_px * width / layout->width; }
};

/// Which list the frames are for; training and test share no world. A video's frames are its training frames.
enum class Split : std::uint8_t { train, test };

/// What was written.
struct WrittenSplit {
  std::string list;  // path of the list file: OUT/nyu_train.txt, OUT/video.txt ...
  std::uint64_t frames = 0, scenes = 0;
  double median_depth_m = 0;  // over the measured pixels
};

/// Renders and writes the frames of a split, then its list. Throws ErrorKind::cannot_write.
WrittenSplit write_split(const SetSpec&, Split);

}  // namespace md::synth
