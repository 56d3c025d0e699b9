// A folder of depth maps that any program predicted for the frames of a list, in any format of data/depth_map.h.
#pragma once
#include <string>
#include <vector>

#include "data/loader.h"
#include "data/protocol.h"

namespace md {

/// What the files of another program mean.
struct PredictionSpec {
  float scale = 1000.F;                         // units per metre of integers (PNG, integer .npy); floats are metres
  bool through_png = false;                     // floats too lose what a PNG would not hold
  Resampling resampling = Resampling::refused;  // how maps of another size come to the frame's
};

/// The depth maps of a folder, frame by frame.
class PredictionFolder {
 public:
  /// Finds the file of every frame with ground truth: for SCENE/DIR/NAME.jpg the first of SCENE/DIR/NAME,
  /// SCENE_DIR_NAME, DIR_NAME and NAME (BTS and NeWCRFs write the second for NYU, the third for KITTI) with one of
  /// depth_map_endings(). Throws, naming folder and frame, ErrorKind::missing where one has no file,
  /// ErrorKind::bad_data where two have the same.
  PredictionFolder(const std::string& folder, const Dataset&, const PredictionSpec&);

  /// Metres [h,w] of frame.crop, from a map of the crop or of the whole frame. A map of another size is resampled to
  /// that of the two whose shape is nearer to its own; without resampling, ErrorKind::bad_data. Throws, naming the
  /// file, what read_depth_map throws.
  Tensor read(const EvalFrame&);
  const std::string& file(const EvalFrame& frame) const { return files_.at(std::size_t(frame.index)); }

  /// "654 .png", "3 .npy and 1 .png"; which kind decides how fine the predictions are.
  std::string kinds() const;
  i64 integer_maps() const { return integer_maps_; }  // of those that were read
  i64 resampled_maps() const { return resampled_maps_; }

 private:
  Tensor read_metres(const std::string& file);

  std::vector<std::string> files_;  // by index in the list; empty: no ground truth
  PredictionSpec spec_;
  i64 integer_maps_ = 0, resampled_maps_ = 0;
};

}  // namespace md
