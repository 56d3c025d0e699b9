// Where the frames of the two data sets lie, and what their depth files and lists leave out.
#include "data/dataset.h"

#include <algorithm>
#include <filesystem>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

// What BTS and NeWCRFs assume where a list has no focal length: NYU's and KITTI's commonest.
double usual_focal_px(DatasetKind kind) { return kind == DatasetKind::nyu ? 518.8579 : 721.5377; }

void check_folder(const std::string& path) {
  if (!fs::is_directory(status_of(path))) fail(Exit::missing_input, path, ": no such folder");
}

bool begins_with_date(const std::string& name) {  // 2011_09_26
  constexpr std::string_view pattern = "dddd_dd_dd";
  return name.size() >= pattern.size() && std::equal(pattern.begin(), pattern.end(), name.begin(), [](char p, char c) {
           return p == 'd' ? c >= '0' && c <= '9' : c == p;
         });
}

/// KITTI: DATE/DATE_drive.../x <-> DATE_drive.../x; empty where `path` is neither.
std::string other_convention(const std::string& path) {
  const std::string first = path.substr(0, path.find('/'));
  if (!begins_with_date(first)) return "";
  if (first.size() > 10) return first.substr(0, 10) + "/" + path;
  const std::string rest = path.size() > 11 ? path.substr(11) : "";
  return rest.starts_with(first + "_drive") ? rest : "";
}

/// The file of a list's path. KITTI's raw data and ground truth disagree whether a folder per day comes first, and the
/// download of the annotated ground truth unpacks into train/ and val/, which the lists do not know.
std::string locate(const DatasetSpec& spec, const std::string& root, const std::string& path) {
  if (spec.kind == DatasetKind::nyu) return resolve_inside(root, path);
  for (const char* split : {"", "train", "val"}) {
    for (const std::string& convention : {path, other_convention(path)}) {
      const fs::path candidate = fs::path(split) / convention;
      if (!convention.empty() && fs::exists(status_of(root / candidate))) return resolve_inside(root, candidate);
    }
  }
  return resolve_inside(root, path);  // says what is missing
}

}  // namespace

DatasetKind dataset_kind(const std::string& name) {
  if (name == "nyu") return DatasetKind::nyu;
  if (name == "kitti") return DatasetKind::kitti;
  fail(Exit::usage, "dataset '", name, "': wanted is nyu or kitti");
}

float depth_units_per_m(DatasetKind kind) { return kind == DatasetKind::nyu ? 1000.F : 256.F; }

Dataset::Dataset(DatasetSpec spec) : spec_(std::move(spec)), entries_(read_list(spec_.list)) {
  if (spec_.depth_root.empty()) spec_.depth_root = spec_.root;
  check_folder(spec_.root);
  check_folder(spec_.depth_root);
  for (ListEntry& entry : entries_) {
    if (spec_.dense && entry.dense_depth.empty()) {
      fail(Exit::bad_data, spec_.list, ":", entry.line, ": no third column with a dense depth file");
    }
    if (spec_.dense) entry.depth = entry.dense_depth;
    if (!entry.depth.empty()) with_depth_.push_back(&entry - entries_.data());
  }
}

Sample Dataset::load(i64 index) const {
  MD_CHECK(index >= 0 && index < size(), "dataset: frame ", index, " of ", size());
  const ListEntry& entry = entries_[std::size_t(index)];
  Sample sample;
  sample.image_name = entry.image;
  sample.focal_px = entry.focal_px > 0 ? entry.focal_px : usual_focal_px(spec_.kind);
  sample.image = read_rgb(locate(spec_, spec_.root, entry.image));
  if (entry.depth.empty()) return sample;
  sample.depth_name = entry.depth;
  const std::string depth_file = locate(spec_, spec_.depth_root, entry.depth);
  const DepthImage depth = read_depth(depth_file);
  if (depth.height != sample.image.height || depth.width != sample.image.width) {
    fail(Exit::bad_data, depth_file, ": depth of ", depth.width, "x", depth.height, " for an image of ",
         sample.image.width, "x", sample.image.height, " (", entry.image, ")");
  }
  sample.depth_m.resize(depth.pixels.size());
  const float units = depth_units_per_m(spec_.kind);
  std::transform(depth.pixels.begin(), depth.pixels.end(), sample.depth_m.begin(),
                 [units](std::uint16_t raw) { return float(raw) / units; });
  return sample;
}

Sample Dataset::load_training(i64 index) const {
  Sample sample = load(index);
  if (!sample.has_depth()) fail(Exit::bad_data, sample.image_name, ": a training frame needs ground truth");
  if (std::none_of(sample.depth_m.begin(), sample.depth_m.end(), [](float depth_m) { return depth_m > 0; })) {
    fail(Exit::bad_data, (fs::path(spec_.depth_root) / sample.depth_name).string(), ": not one measured pixel");
  }
  return sample;
}

}  // namespace md
