// What figures are of: frames of a list, or one picture, and what networks make of them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tools/cli/data_options.h"
#include "tools/cli/device_option.h"
#include "tools/eval/input_size.h"
#include "tools/run/checkpoint.h"

namespace md {

/// A frame, as it lies in its file.
struct FigureFrame {
  std::string name;
  RgbImage image;
  Tensor gt_m = {};     // [H,W], 0: not measured; undefined without ground truth
  double focal_px = 0;  // 0: not known
};

/// What a network says of a frame.
struct FigurePrediction {
  Tensor depth_m, features;  // [h,w] at the size at which the frame went in, [h',w',C]; on the CPU
};

/// A checkpoint, or the best network of a run's folder.
class FigureNet {
 public:
  /// Throws ErrorKind::missing, or ErrorKind::bad_data naming the file.
  FigureNet(const std::string& run_or_file, const DeviceOptions&);
  /// Throws ErrorKind::usage where the network needs a focal length that the frame does not have.
  FigurePrediction predict(const FigureFrame&) const;

  std::string name;  // of the run's folder, or of the file where that is not in a run
  LoadedNet loaded;

 private:
  InputSize size_;
};

/// Where frames come from.
struct FrameChoice {
  DataOptions data;          // no data set: that of the first network, or nyu
  std::string list;          // empty: that on which the first network was evaluated
  std::vector<i64> frames;   // numbers in the list, from 1; empty: spread over it
  std::string image, depth;  // one picture instead of a list, and its ground truth or nothing
  double focal_px = 0;       // of the picture
};

/// The frames; of a list with ground truth `wanted` of them unless they are named. Throws ErrorKind::usage naming the
/// option, and what Dataset throws.
std::vector<FigureFrame> figure_frames(const FrameChoice&, const std::vector<FigureNet>&, i64 wanted);

/// The ground truth at the size of a map [h,w,...]. Throws ErrorKind::usage, naming the frame and the figure, where it
/// has none.
Tensor depth_for(const FigureFrame&, const Tensor& map, const std::string& figure);

}  // namespace md
