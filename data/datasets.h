// Every data set by its name: all that differs from one to the next, as a record in a file of its own
// (data/datasets/NAME.cpp). The rest of the house asks the record, and knows no data set.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/depth_histogram.h"
#include "data/list_file.h"
#include "data/protocol.h"

namespace md {

/// What becomes of an image whose depth has another size.
enum class OtherSize : std::uint8_t {
  refused,
  smooth,   // it comes to the depth's size by Lanczos's filter (data/rescale.h)
  nearest,  // it comes to the depth's size by its nearest pixels, as OpenCV's INTER_NEAREST takes them
};

/// Focal length of an image of a list in pixels; 0: not known.
using FocalLengths = std::function<double(const std::string& image)>;

/// A data set: how its lists and files are read, and how networks are trained and scored on it.
struct DatasetTraits {
  std::string name;  // as configurations have it
  std::string help;  // what its depth files hold: "millimetres"

  // Lists and files.
  ListColumns columns = kUsualColumns;
  /// Where a path of a list may lie below a root, in the order to try.
  std::function<std::vector<std::string>(const std::string& path)> places = [](const std::string& path) {
    return std::vector<std::string>{path};
  };
  /// Ground truth, below the images' root, of an image whose line has no column for it; "": none.
  std::function<std::string(const std::string& image)> implied_depth = {};
  /// The raw LiDAR sweep of a frame with this ground truth; "": not known. No function: the data set has no sweeps.
  std::function<std::string(const std::string& depth)> raw_sweep = {};
  /// Calibration files below the images' root, asked where a list has no focal length.
  std::function<FocalLengths(const std::string& root)> calibration = {};
  double usual_focal_px = 0;  // where neither knows one
  /// Columns of the camera's images, for which calibration and usual_focal_px hold; an image of another size has its
  /// part of them. 0: they hold for any size.
  int camera_width = 0;
  /// The folders of a file below its root in the words of the data set, for mdtrain check-data; no function: as listed.
  std::function<std::string(const std::string& file)> place_name = {};

  // Depth files.
  float units_per_m = 1000;
  bool user_units = false;  // the user says the units per metre; units_per_m is then the commonest
  float not_measured = 0;   // a number of the files that stands for "no measurement", besides 0 and what is below it
  /// The number of units that a number of a file stands for; no function: itself.
  std::function<float(float)> stored_units = {};
  /// Masks of a found depth file, of its size: where one of them is 0, nothing was measured. One that is not there is
  /// remarked on. No function: none.
  std::function<std::vector<std::string>(const std::string& depth_file)> masks = {};
  bool along_ray = false;  // distance from the camera's centre, not from its plane
  OtherSize other_size = OtherSize::smooth;
  /// Why a frame's depth cannot be what the sensor measures; "": it can. Comes after what holds for any depth.
  std::function<std::string(const DepthHistogram&)> implausible = {};

  // Training.
  int sample_height = 0, sample_width = 0;  // of a training sample unless the user says it; 0: as everywhere
  std::map<std::string, AugmentSpec> augmentations = {};  // of the peers' official code, by the peer's name
  bool white_border = false;                              // frames have one, and NyuBorder says what becomes of it

  // Evaluation.
  float cap_m = 10;             // largest depth that is scored
  bool cap_of_network = false;  // nobody knows: it is the network's largest depth where there is a network
  std::vector<NamedProtocol> protocols = {};                                                // besides "plain"
  std::vector<std::string> table_columns = {"abs_rel", "rmse", "log10", "d1", "d2", "d3"};  // keys of metric_fields
};

/// Adds a data set to those that the programs know; a later one takes the place of an earlier one of the same name. Not
/// while other threads ask for data sets.
void register_dataset(DatasetTraits);
/// Throws ErrorKind::usage for an unknown name, and lists the known ones.
const DatasetTraits& dataset_traits(const std::string& name);
/// In the order of registration.
std::vector<std::string> dataset_names();
/// The data sets for which `holds`: "nyu or kitti".
std::string datasets_with(const std::function<bool(const DatasetTraits&)>& holds);

}  // namespace md
