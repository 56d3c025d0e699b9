// Depth maps as programs write them, whatever the format: NumPy's .npy and .npz, .pfm, OpenEXR, 16-bit grey PNG. Which
// it is is told by the first bytes of a file, never by its name. What a header claims is checked before memory is taken
// for it: no file makes the reader use more than about 600 MB.
#pragma once
#include <string>
#include <vector>

namespace md {

/// The numbers of a file as they stand there, NaN and infinity too: what they mean is for the caller to say.
struct FloatMap {
  int height = 0, width = 0;
  std::vector<float> pixels;  // [H,W]
  bool integers = false;      // stored as integers: as a rule units of a scale, as in a PNG; floats are metres
};

/// Within max_image_side and max_image_pixels (data/image_io.h). How each format is read: data/depth_map_codecs.h.
/// Throws, naming the file, ErrorKind::missing, or ErrorKind::bad_data for another format, a damaged file, a picture in
/// colour, or several maps of which none has the name of a depth.
FloatMap read_depth_map(const std::string& path);

/// The endings that such files have, in the order in which one is looked for: ".npy", ".npz", ".exr", ".pfm", ".png".
const std::vector<std::string>& depth_map_endings();

}  // namespace md
