// Where the frames of the data sets lie, and what their depth files and lists leave out.
#include "data/dataset.h"

#include <algorithm>
#include <filesystem>

#include "data/file_status.h"
#include "data/kitti.h"
#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

// What BTS and NeWCRFs assume where a list has no focal length, NYU's and KITTI's commonest; of an unknown camera the
// one that BTS's scaling leaves depth as it is with.
double usual_focal_px(DatasetKind kind) {
  if (kind == DatasetKind::plain) return 715.0873;
  return kind == DatasetKind::nyu ? 518.8579 : 721.5377;
}

void check_folder(const std::string& path) {
  if (!fs::is_directory(status_of(path))) fail(ErrorKind::missing, path, ": no such folder");
}

/// Where a path of a list may lie below a root, in the order to try.
std::vector<std::string> places(DatasetKind kind, const std::string& path) {
  if (kind == DatasetKind::plain) return {path};
  if (kind == DatasetKind::kitti) return kitti_places(path);
  std::vector<std::string> all = {path};
  for (const char* folder : {"sync/", "train/", "test/", "official_splits/train/", "official_splits/test/"}) {
    all.push_back(folder + path);
  }
  return all;
}

std::string locate(DatasetKind kind, const std::string& root, const std::string& path) {
  for (const std::string& place : places(kind, path)) {
    if (fs::exists(status_of(fs::path(root) / place))) return resolve_inside(root, place);
  }
  return resolve_inside(root, path);  // says what is missing
}

}  // namespace

DatasetKind dataset_kind(const std::string& name) {
  if (name == "nyu") return DatasetKind::nyu;
  if (name == "kitti") return DatasetKind::kitti;
  if (name == "plain") return DatasetKind::plain;
  fail(ErrorKind::usage, "dataset '", name, "': wanted is nyu, kitti or plain");
}

float depth_units_per_m(DatasetKind kind) { return kind == DatasetKind::kitti ? 256.F : 1000.F; }

Dataset::Dataset(DatasetSpec spec) : spec_(std::move(spec)), entries_(read_list(spec_.list)) {
  if (spec_.depth_root.empty()) spec_.depth_root = spec_.root;
  check_folder(spec_.root);
  check_folder(spec_.depth_root);
  KittiCalibration calibration(spec_.root);
  for (ListEntry& entry : entries_) {
    choose_depth(entry);
    if (spec_.kind == DatasetKind::kitti && entry.focal_px == 0) entry.focal_px = calibration.focal_px(entry.image);
    if (!entry.depth.empty()) with_depth_.push_back(&entry - entries_.data());
  }
}

void Dataset::choose_depth(ListEntry& entry) const {
  const auto refuse = [&](const auto&... why) { fail(ErrorKind::bad_data, spec_.list, ":", entry.line, ": ", why...); };
  if (spec_.dense && entry.dense_depth.empty()) refuse("no third column with a dense depth file");
  if (spec_.dense) entry.depth = entry.dense_depth;
  if (spec_.kind == DatasetKind::kitti && entry.columns == 1) entry.depth = kitti_official_depth(entry.image);
  if (!spec_.velodyne_raw || entry.depth.empty()) return;
  const std::string raw = kitti_velodyne_raw(entry.depth);
  if (raw.empty()) refuse("no raw LiDAR sweep is known for ", entry.depth);
  entry.depth = raw;
}

const ListEntry& Dataset::entry(i64 index) const {
  MD_CHECK(index >= 0 && index < size(), "dataset: frame ", index, " of ", size());
  return entries_[std::size_t(index)];
}

std::string Dataset::image_file(i64 index) const { return locate(spec_.kind, spec_.root, entry(index).image); }

std::string Dataset::depth_file(i64 index) const {
  MD_CHECK(!entry(index).depth.empty(), "dataset: frame ", index, " has no ground truth");
  const bool beside_image = entry(index).columns == 1;  // of an official split: the list does not name it
  return locate(spec_.kind, beside_image ? spec_.root : spec_.depth_root, entry(index).depth);
}

Sample Dataset::load(i64 index) const {
  const ListEntry& listed = entry(index);
  Sample sample;
  sample.image_name = listed.image;
  sample.focal_px = listed.focal_px > 0 ? listed.focal_px : usual_focal_px(spec_.kind);
  sample.image = read_rgb(image_file(index));
  if (listed.depth.empty()) return sample;
  sample.depth_name = listed.depth;
  const std::string file = depth_file(index);
  const DepthImage depth = read_depth(file);
  if (depth.height != sample.image.height || depth.width != sample.image.width) {
    fail(ErrorKind::bad_data, file, ": depth of ", depth.width, "x", depth.height, " for an image of ",
         sample.image.width, "x", sample.image.height, " (", listed.image, ")");
  }
  sample.depth_m.resize(depth.pixels.size());
  const float units = spec_.units_per_m();
  std::transform(depth.pixels.begin(), depth.pixels.end(), sample.depth_m.begin(),
                 [units](std::uint16_t raw) { return float(raw) / units; });
  return sample;
}

Sample Dataset::load_training(i64 index) const {
  Sample sample = load(index);
  if (!sample.has_depth()) fail(ErrorKind::bad_data, sample.image_name, ": a training frame needs ground truth");
  if (std::none_of(sample.depth_m.begin(), sample.depth_m.end(), [](float depth_m) { return depth_m > 0; })) {
    fail(ErrorKind::bad_data, depth_file(index), ": not one measured pixel");
  }
  return sample;
}

}  // namespace md
