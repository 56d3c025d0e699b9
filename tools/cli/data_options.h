// Where frames lie and what their depth files hold: --data, --dataset and their companions.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/dataset.h"

namespace md {

class OptionTable;

struct DataOptions {
  std::string dataset = "nyu";  // of dataset_names()
  std::string root = {};        // --data
  std::string depth_root = {};  // empty: root
  bool dense = false;           // the third column of NYU's dense list instead of the second
  bool velodyne_raw = false;    // KITTI's raw sweeps instead of its annotated ground truth
  float depth_scale = 0;        // units of a depth file per metre; for data sets whose units the user says
  double invalid_value = 0;     // of depth files, stands for "no measurement"; 0: what the data set says
  float valid_below_m = 0;      // ground truth at or beyond it is none; 0: all is
};

/// --dataset, --depth-scale, --invalid-value, --valid-below, --data and --depth-root.
void add_data_options(OptionTable&, DataOptions&);

/// What a checkpoint's config says of them. Throws ErrorKind::bad_data naming the key.
DataOptions data_options_of(const nlohmann::json& config);

/// `list` as given or, where that does not exist, inside --data. Throws ErrorKind::usage, naming the option, where the
/// options do not fit the data set.
DatasetSpec dataset_spec(const DataOptions&, const std::string& list);

}  // namespace md
