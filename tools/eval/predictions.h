// A folder of depth maps that any program predicted for the frames of a list: 16-bit grey PNG, or .npy in metres.
#pragma once
#include <string>
#include <vector>

#include "data/loader.h"

namespace md {

/// What the files of another program mean.
struct PredictionSpec {
  float scale = 1000.F;      // units of PNGs per metre
  bool through_png = false;  // .npy too lose what a PNG would not hold
};

/// The depth maps of a folder, frame by frame.
class PredictionFolder {
 public:
  /// Finds the file of every frame with ground truth: for SCENE/DIR/NAME.jpg the first of SCENE/DIR/NAME,
  /// SCENE_DIR_NAME, DIR_NAME and NAME (BTS and NeWCRFs write the second for NYU, the third for KITTI) with .npy or
  /// .png. Throws, naming folder and frame, ErrorKind::missing where one has no file, ErrorKind::bad_data where two
  /// have the same.
  PredictionFolder(const std::string& folder, const Dataset&, const PredictionSpec&);

  /// Metres [h,w] of frame.crop, from a map of the crop or of the whole frame. Throws, naming the file, what read_depth
  /// and read_npy throw, and ErrorKind::bad_data for any other size.
  Tensor read(const EvalFrame&) const;

  /// "654 .png"; which kind decides how fine the predictions are.
  std::string kinds() const;

 private:
  std::vector<std::string> files_;  // by index in the list; empty: no ground truth
  PredictionSpec spec_;
};

}  // namespace md
