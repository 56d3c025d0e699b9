// Which options fit which data set.
#include "tools/cli/data_options.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/datasets.h"
#include "data/file_status.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"

namespace md {

namespace {

bool user_units(const DatasetTraits& traits) { return traits.user_units; }

/// "nyu (millimetres), kitti (1/256 m), plain (--depth-scale)".
std::string all_datasets() {
  std::string text;
  for (const std::string& name : dataset_names()) {
    const DatasetTraits& traits = dataset_traits(name);
    text += cat(text.empty() ? "" : ", ", name, " (", traits.user_units ? "--depth-scale" : traits.help, ")");
  }
  return text;
}

}  // namespace

void add_data_options(OptionTable& table, DataOptions& o) {
  std::vector<std::string> names = dataset_names();
  names.insert(names.begin(), "");
  table.add("dataset", o.dataset, "what depth files hold: " + all_datasets(), CLI::IsMember(names));
  table.add(
      "depth-scale", o.depth_scale,
      cat("units of a depth file per metre, for --dataset ", datasets_with(user_units), "; 0: as the data set has it"),
      not_negative());
  table.add(
      "invalid-value", o.invalid_value,
      "number in depth files that means \"no measurement\" as 0 does, in the files' units (7-Scenes: 65535); 0: what "
      "the data set says",
      finite());
  table.add("valid-below", o.valid_below_m,
            "ground truth from here on is none, for losses and evaluation, metres (a rendered sky: 655); 0: all is",
            not_negative());
  table.add("data", o.root, "folder that the image paths of the list are relative to");
  table.add("depth-root", o.depth_root, "folder that the depth paths of the list are relative to; empty: --data");
}

DataOptions data_options_of(const nlohmann::json& config) {
  DataOptions options;
  OptionTable table;
  add_data_options(table, options);
  if (!config.contains("dataset")) fail(ErrorKind::bad_data, "config: no dataset");
  table.read(config);
  return options;
}

DatasetSpec dataset_spec(const DataOptions& o, const std::string& list) {
  namespace fs = std::filesystem;
  const DatasetTraits& traits = dataset_traits(o.dataset);
  if (traits.user_units != (o.depth_scale > 0))
    fail(ErrorKind::usage, "--depth-scale is for --dataset ", datasets_with(user_units),
         ", which wants it: the units of a depth file per metre");
  if (o.velodyne_raw && !traits.raw_sweep)
    fail(ErrorKind::usage, "--velodyne-raw is for --dataset ",
         datasets_with([](const DatasetTraits& each) { return bool(each.raw_sweep); }));
  const bool inside_data = !fs::exists(status_of(list)) && fs::exists(status_of(fs::path(o.root) / list));
  return {.dataset = o.dataset,
          .list = inside_data ? (fs::path(o.root) / list).string() : list,
          .root = o.root,
          .depth_root = o.depth_root,
          .dense = o.dense,
          .velodyne_raw = o.velodyne_raw,
          .depth_scale = o.depth_scale,
          .invalid_value = o.invalid_value,
          .valid_below_m = o.valid_below_m};
}

}  // namespace md
