// `mdeval predict`: depth for a user's own pictures or video, as files that other programs read.
#pragma once
#include <string>
#include <vector>

#include "data/picture.h"
#include "tools/cli/device_option.h"
#include "tools/cli/exit_code.h"
#include "tools/eval/depth_files.h"

namespace CLI {
class App;
}

namespace md {

/// What `mdeval predict` is asked for.
struct PredictCommand {
  std::string checkpoint;
  std::string out;  // a folder; "-" with stdin_frames: a stream on stdout
  DeviceOptions device;
  // Pictures.
  std::vector<std::string> inputs;  // pictures, folders of them, "-": names of both on stdin
  bool recursive = false;           // folders below folders too
  bool skip_existing = false;       // leave pictures alone of which all files are there
  std::string stdin_frames = {};    // "yuv4mpeg": the frames of a video on stdin instead
  Alpha alpha = Alpha::over_white;
  // Prediction.
  std::string input_size = {};  // as in tools/eval/input_size.h
  bool flip_average = false;    // as in data/score.h
  std::string focal = {};       // pixels, "exif", or not known
  // Files; those of `files` that depend on the checkpoint stand here first.
  DepthFileOptions files = {};
  double depth_scale = 0;       // units per metre; 0: the data set's that the network was trained on
  std::vector<double> range_m;  // near, far of the colours; empty: 0 to the network's largest depth
  std::string colormap = "turbo";
};

/// Defines the options of `mdeval predict`.
void add_predict_options(CLI::App&, PredictCommand&);

/// Writes the depth of every picture, or of every frame (frame_000001 and so on), as tools/eval/depth_files.h says,
/// under the names that tools/eval/picture_list.h gives; ends with lines that say what the files hold. A picture that
/// cannot be read or predicted does not end the run: it is named on stderr as it is met, and counted at the end, which
/// is then Exit::bad_data (a single one: its own error). A place that cannot be written to ends it at once. Never
/// overwrites a picture that it is given.
Exit predict(const PredictCommand&);

}  // namespace md
