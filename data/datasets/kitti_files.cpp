// A path of KITTI is read by its folders: 2011_09_26 is a DATE, 2011_09_26_drive_0001_sync a DRIVE.
#include "data/datasets/kitti_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "data/datasets/file_names.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t date_length = 10;  // 2011_09_26

bool begins_with_date(const std::string& name) {
  constexpr std::string_view pattern = "dddd_dd_dd";
  return name.size() >= pattern.size() && std::equal(pattern.begin(), pattern.end(), name.begin(), [](char p, char c) {
           return p == 'd' ? c >= '0' && c <= '9' : c == p;
         });
}
bool is_date(const std::string& name) { return begins_with_date(name) && name.size() == date_length; }
bool is_drive(const std::string& name) { return begins_with_date(name) && name.compare(date_length, 6, "_drive") == 0; }

/// DATE/DRIVE/x <-> DRIVE/x; empty where `path` is neither.
std::string other_convention(const std::string& path) {
  const std::string first = path.substr(0, path.find('/'));
  if (is_drive(first)) return first.substr(0, date_length) + "/" + path;
  const std::string rest = path.size() > date_length ? path.substr(date_length + 1) : "";
  return is_date(first) && is_drive(rest.substr(0, rest.find('/'))) ? rest : "";
}

}  // namespace

std::vector<std::string> kitti_places(const std::string& path) {
  std::vector<std::string> places;
  const std::string other = other_convention(path);
  for (const std::string split : {"", "train/", "val/"}) {
    places.push_back(split + path);
    if (!other.empty()) places.push_back(split + other);
  }
  return places;
}

std::string kitti_official_depth(const std::string& image) {
  if (!contains(image, "val_selection_cropped/image/")) return "";
  return replace_all(replace_all(image, "/image/", "/groundtruth_depth/"), "_sync_image_", "_sync_groundtruth_depth_");
}

std::string kitti_velodyne_raw(const std::string& depth) {
  if (contains(depth, "velodyne_raw")) return depth;
  const std::string raw =
      replace_all(replace_all(depth, "/groundtruth/", "/velodyne_raw/"), "groundtruth_depth", "velodyne_raw");
  return raw == depth ? "" : raw;
}

std::string kitti_convention(const std::string& file) {
  std::string convention;
  for (const fs::path& folder : fs::path(file).parent_path()) {
    const std::string name = folder.string();
    convention += (convention.empty() ? "" : "/") + (is_drive(name) ? "DRIVE" : is_date(name) ? "DATE" : name);
  }
  return convention;
}

double KittiCalibration::focal_px(const std::string& image) {
  std::string file, key;
  if (contains(image, "/image/")) {
    file = fs::path(replace_all(image, "/image/", "/intrinsics/")).replace_extension(".txt").string();
  } else if (begins_with_date(image)) {
    file = image.substr(0, date_length) + "/calib_cam_to_cam.txt";
    key = contains(image, "/image_03/") ? "P_rect_03:" : "P_rect_02:";
  } else {
    return 0;
  }
  const auto [entry, is_new] = known_.try_emplace(file + key, 0);
  if (is_new) entry->second = focal_of_file((fs::path(root_) / file).string(), key);
  return entry->second;
}

}  // namespace md
