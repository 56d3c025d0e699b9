// Which options fit which data set.
#include "tools/cli/data_options.h"

#include <filesystem>

#include "data/file_status.h"
#include "tools/cli/cli.h"

namespace md {

void add_data_options(OptionTable& table, DataOptions& o) {
  table.add("dataset", o.dataset, "what depth files hold: nyu (millimetres), kitti (1/256 m), plain (--depth-scale)",
            CLI::IsMember({"", "nyu", "kitti", "plain"}));
  table.add("depth-scale", o.depth_scale,
            "units of a depth file per metre, for --dataset plain; 0: as the data set has it", not_negative());
  table.add("data", o.root, "folder that the image paths of the list are relative to");
  table.add("depth-root", o.depth_root, "folder that the depth paths of the list are relative to; empty: --data");
}

DataOptions data_options_of(const nlohmann::json& config) {
  DataOptions options;
  OptionTable table;
  add_data_options(table, options);
  table.at("dataset").store(config.at("dataset"));
  table.read(config);
  return options;
}

DatasetSpec dataset_spec(const DataOptions& o, const std::string& list) {
  namespace fs = std::filesystem;
  const DatasetKind kind = dataset_kind(o.dataset);
  if ((kind == DatasetKind::plain) != (o.depth_scale > 0))
    fail(ErrorKind::usage, "--depth-scale is for --dataset plain, which wants it: the units of a depth file per metre");
  if (o.velodyne_raw && kind != DatasetKind::kitti) fail(ErrorKind::usage, "--velodyne-raw is for --dataset kitti");
  const bool inside_data = !fs::exists(status_of(list)) && fs::exists(status_of(fs::path(o.root) / list));
  return {.kind = kind,
          .list = inside_data ? (fs::path(o.root) / list).string() : list,
          .root = o.root,
          .depth_root = o.depth_root,
          .dense = o.dense,
          .velodyne_raw = o.velodyne_raw,
          .depth_scale = o.depth_scale};
}

}  // namespace md
