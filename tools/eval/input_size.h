// At what size pictures go into a network: one that was trained at 480 rows has never seen a phone's 3024, and says
// little of them.
#pragma once
#include <string>

#include "tools/run/checkpoint.h"

namespace md {

/// Of a picture, in pixels.
struct ImageSize {
  int height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// The shorter sides of the frames that a network was trained on, in pixels: from the one that fixed crops left
/// (KITTI's benchmark crop, NYU without its border) to the whole frame's. 0 where the checkpoint does not say.
struct TrainedSize {
  int least = 0, most = 0;
};

/// From a run's first frame. Checkpoints that do not have it (older ones, and those that were converted) have the crop
/// in their config, or a data set whose peers' crop is known.
TrainedSize trained_size(const RunState&);

/// What --input-size asks for.
struct InputSize {
  enum class How : std::uint8_t {
    trained,  // the shorter side as in training
    fit,      // the largest size of the picture's shape that fits into `box`
    native,   // every pixel
  } how = How::trained;
  ImageSize box = {};
  TrainedSize trained_at = {};
};

/// "native", "HxW" with sides from 32 to 4096, or "" for the trained size. Throws ErrorKind::usage for anything else.
InputSize input_size(const std::string& option, const TrainedSize&);

/// The size at which a picture goes into the network, of the same shape up to rounding. `trained`: its shorter side is
/// brought into least..most, by the smallest change that does, and not at all where a change below 2 % would; the
/// longer side then stays within 4096. `native` is the picture's own size, whatever it is; else both sides are from 32
/// to 4096, even where that changes the shape.
ImageSize working_size(const InputSize&, ImageSize picture);

/// The shorter side of the smallest picture that is as good as the whole one for that; 0: every pixel is wanted.
int shorter_side_wanted(const InputSize&);

/// For the user: "shorter side 480 pixels, as in training".
std::string describe(const InputSize&);

}  // namespace md
