// A list's entries with what lists leave out, and the frames behind them.
#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <mutex>

#include "data/datasets.h"
#include "data/depth_map.h"
#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

void check_folder(const std::string& path) {
  if (!fs::is_directory(status_of(path))) fail(ErrorKind::missing, path, ": no such folder");
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// What absolute paths below a folder begin with: as the user calls it, and without links.
std::vector<std::string> absolute_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::path& path : {fs::absolute(folder, error), fs::canonical(folder, error)}) {
    std::string name = path.lexically_normal().string();
    while (name.ends_with('/')) name.pop_back();
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

/// Whether a path of a list is in one of its places below a root.
bool is_below(const std::string& root, const DatasetTraits& traits, const std::string& path) {
  const std::vector<std::string> places = traits.places(path);
  return std::ranges::any_of(places, [&](const std::string& place) { return is_there(fs::path(root) / place); });
}

ListRules list_rules(const DatasetSpec& spec, const DatasetTraits& traits) {
  const std::string root = spec.root, depth_root = spec.depth_root.empty() ? root : spec.depth_root;
  const auto below = [root, depth_root, &traits](ListColumn what, const std::string& path) {
    return is_below(what == ListColumn::image ? root : depth_root, traits, path);
  };
  return {.columns = traits.columns,
          .image_roots = absolute_names(root),
          .depth_roots = absolute_names(depth_root),
          .is_there = below};
}

}  // namespace

std::string turned_remark(const Sample& sample) {
  if (sample.orientation == 1) return "";
  return cat(sample.image_name, ": EXIF's orientation ", sample.orientation,
             " is not applied: a picture and its depth must lie alike as they are stored");
}

float DatasetSpec::units_per_m() const { return depth_scale > 0 ? depth_scale : dataset_traits(dataset).units_per_m; }

/// The path of each frame, once it was found. Looking for one takes as long as decoding a small frame does, and longer
/// on a file system far away: not done for a whole list when it is read, and not again in every epoch. Any thread.
class Dataset::FoundFiles {
 public:
  explicit FoundFiles(std::size_t frames) : paths_(frames) {}

  /// find() -> path, called without the lock; two threads that ask for a frame at once find the same.
  template <class Find>
  std::string get(i64 index, const Find& find) {
    std::string& known = paths_[std::size_t(index)];
    {
      const std::lock_guard lock(mutex_);
      if (!known.empty()) return known;
    }
    const std::string path = find();
    const std::lock_guard lock(mutex_);
    return known = path;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> paths_;  // empty: not looked for, or not found
};

/// What is not as a list says, by its kind. Any thread.
class Dataset::Remarks {
 public:
  /// "COUNT SUBJECT WHAT (first: NAME)"; `one` and `many` are the subject with its verb.
  void add(const std::string& one, const std::string& many, const std::string& what, const std::string& name) {
    const std::lock_guard lock(mutex_);
    Kind& kind = kinds_[what];
    if (kind.frames++ == 0) kind = {1, one, many, name};
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& [what, kind] : kinds_) {
      const bool one = kind.frames == 1;
      lines.push_back(
          cat(kind.frames, " ", one ? kind.one : kind.many, " ", what, one ? " (" : " (first: ", kind.first, ")"));
    }
    return lines;
  }

 private:
  struct Kind {
    i64 frames = 0;
    std::string one, many, first;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Kind> kinds_;
};

Dataset::Dataset(DatasetSpec spec)
    : spec_(std::move(spec)),
      traits_(&dataset_traits(spec_.dataset)),
      entries_(read_list(spec_.list, list_rules(spec_, *traits_))) {
  if (spec_.velodyne_raw && !traits_->raw_sweep)
    fail(ErrorKind::usage, "dataset '", spec_.dataset, "' has no raw LiDAR sweeps");
  if (spec_.depth_root.empty()) spec_.depth_root = spec_.root;
  check_folder(spec_.root);
  check_folder(spec_.depth_root);
  const FocalLengths calibrated = traits_->calibration ? traits_->calibration(spec_.root) : FocalLengths();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    ListEntry& entry = entries_[i];
    choose_depth(entry);
    if (calibrated && entry.focal_px == 0) {
      entry.focal_px = calibrated(entry.image);
      entry.focal_of_camera = true;
    }
    if (!entry.depth.empty()) with_depth_.push_back(i64(i));
  }
  images_ = std::make_shared<FoundFiles>(entries_.size());
  depths_ = std::make_shared<FoundFiles>(entries_.size());
  remarks_ = std::make_shared<Remarks>();
}

std::vector<std::string> Dataset::remarks() const { return remarks_->lines(); }

void Dataset::choose_depth(ListEntry& entry) const {
  const auto refuse = [&](const auto&... why) { fail(ErrorKind::bad_data, spec_.list, ":", entry.line, ": ", why...); };
  if (spec_.dense && entry.dense_depth.empty()) refuse("no third column with a dense depth file");
  if (spec_.dense) entry.depth = entry.dense_depth;
  if (!entry.depth_listed && traits_->implied_depth) entry.depth = traits_->implied_depth(entry.image);
  if (!spec_.velodyne_raw || entry.depth.empty()) return;
  const std::string raw = traits_->raw_sweep(entry.depth);
  if (raw.empty()) refuse("no raw LiDAR sweep is known for ", entry.depth);
  entry.depth = raw;
}

const ListEntry& Dataset::entry(i64 index) const {
  MD_CHECK(index >= 0 && index < size(), "dataset: frame ", index, " of ", size());
  return entries_[std::size_t(index)];
}

std::string Dataset::locate(const std::string& root, const std::string& path) const {
  for (const std::string& place : traits_->places(path)) {
    if (fs::exists(status_of(fs::path(root) / place))) return resolve_inside(root, place);
  }
  return resolve_inside(root, path);  // says what is missing
}

std::string Dataset::locate_image(const ListEntry& listed) const {
  constexpr std::array endings = {".jpg", ".png", ".jpeg", ".JPG", ".PNG", ".JPEG"};
  if (is_below(spec_.root, *traits_, listed.image)) return locate(spec_.root, listed.image);
  for (const char* const ending : endings) {
    const std::string other = fs::path(listed.image).replace_extension(ending).string();
    if (other == listed.depth || other == listed.dense_depth || !is_below(spec_.root, *traits_, other)) continue;
    remarks_->add("image is", "images are",
                  cat(ending, " where the list says ", fs::path(listed.image).extension().string()), listed.image);
    return locate(spec_.root, other);
  }
  return locate(spec_.root, listed.image);  // says what is missing
}

std::string Dataset::image_file(i64 index) const {
  const ListEntry& listed = entry(index);
  return images_->get(index, [&] { return locate_image(listed); });
}

std::string Dataset::locate_implied_depth(const ListEntry& listed) const {
  const auto with = [&](const std::string& ending) {
    return fs::path(listed.depth).replace_extension(ending).string();
  };
  std::vector<std::string> names = {listed.depth};
  for (const std::string& ending : depth_map_endings()) names.push_back(with(ending));
  for (const char* const not_read : {".hdf5", ".h5"})
    names.push_back(with(not_read));  // the reader says how to convert it
  for (const std::string& name : names) {
    for (const std::string& root : {spec_.root, spec_.depth_root}) {
      if (is_below(root, *traits_, name)) return locate(root, name);
    }
  }
  return locate(spec_.root, listed.depth);
}

std::string Dataset::depth_file(i64 index) const {
  const ListEntry& listed = entry(index);
  MD_CHECK(!listed.depth.empty(), "dataset: frame ", index, " has no ground truth");
  return depths_->get(index, [&] {
    std::string file = listed.depth_listed ? locate(spec_.depth_root, listed.depth) : locate_implied_depth(listed);
    for (const std::string& mask : traits_->masks ? traits_->masks(file) : std::vector<std::string>()) {
      if (!is_there(mask))
        remarks_->add("mask is", "masks are", "not there: all that it covers is taken for measured", mask);
    }
    return file;
  });
}

Sample Dataset::load(i64 index) const {
  const ListEntry& listed = entry(index);
  Sample sample;
  sample.image_name = listed.image;
  sample.image = read_rgb(image_file(index), sample.orientation);
  sample.focal_px = listed.focal_px > 0 ? listed.focal_px : traits_->usual_focal_px;
  if (traits_->camera_width > 0 && (listed.focal_px == 0 || listed.focal_of_camera))
    sample.focal_px *= double(sample.image.width) / traits_->camera_width;
  if (listed.depth.empty()) return sample;
  sample.depth_name = listed.depth;
  read_frame_depth(depth_file(index), *traits_, spec_, sample);
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
