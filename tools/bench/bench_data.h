// What mdbench measures of data/: the augmentation by itself, and whether the loader keeps a training run fed.
#pragma once
#include <functional>

namespace md {

/// Eight decoded frames of 640x480 through BTS's augmentation to 416x544, on one core.
std::function<void()> augment_frames();

/// What feeding a training step costs.
struct DataTimes {
  double step_s = 0;         // of LT, 4x416x544, fed by the loader from 640x480 JPEGs on disk
  double waited_s = 0;       // of it, for the loader
  double from_memory_s = 0;  // the same step on a batch that is there
};
/// As many steps as take `at_least_s`, with two loader threads beside OpenMP's.
DataTimes time_data(double at_least_s);

}  // namespace md
