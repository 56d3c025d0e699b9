// The files of one frame: numbers of a depth file as metres, masks, distances along rays, and images of another size
// than their depth. What holds for which data set is in its record (data/datasets.h).
#pragma once
#include <string>
#include <vector>

#include "data/image_io.h"

namespace md {

struct DatasetSpec;    // data/dataset.h
struct DatasetTraits;  // data/datasets.h

/// One frame; its image has the size of its depth.
struct Sample {
  RgbImage image;                      // [H,W,3]
  std::vector<float> depth_m;          // [H,W], 0 = no measurement; empty without ground truth
  double focal_px = 0;                 // of `image`: the list's, a calibration file's, or the data set's usual one
  std::string image_name, depth_name;  // as in the list; depth_name empty without ground truth
  std::string resized;                 // "960x720 to 256x192" where the image's file has another size; else empty
  int orientation = 1;                 // EXIF's word on how the image is held, not applied: depth lies as stored, too
  bool whole_units = false;            // the depth file has whole numbers: units of its own, not metres
  bool has_depth() const { return !depth_m.empty(); }
};

/// Fills depth_m from `file`, whose integers are units of the data set and whose floats are metres unless the user says
/// the units, and brings image and focal_px to its size. Throws, naming the file, what the readers throw, and
/// ErrorKind::bad_data where the sizes do not go together.
void read_frame_depth(const std::string& file, const DatasetTraits&, const DatasetSpec&, Sample&);

/// A sensor's bits as SUN3D and SUN RGB-D write them, rotated left by three; back again.
std::uint16_t rotated_back(std::uint16_t stored);

}  // namespace md
