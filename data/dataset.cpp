// A list's entries with what lists leave out, and the frames behind them.
#include "data/dataset.h"

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "data/datasets.h"
#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

namespace fs = std::filesystem;

void check_folder(const std::string& path) {
  if (!fs::is_directory(status_of(path))) fail(ErrorKind::missing, path, ": no such folder");
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

Dataset::Dataset(DatasetSpec spec)
    : spec_(std::move(spec)),
      traits_(&dataset_traits(spec_.dataset)),
      units_per_m_(spec_.units_per_m()),
      entries_(read_list(spec_.list, traits_->columns)) {
  if (spec_.velodyne_raw && !traits_->raw_sweep)
    fail(ErrorKind::usage, "dataset '", spec_.dataset, "' has no raw LiDAR sweeps");
  if (spec_.depth_root.empty()) spec_.depth_root = spec_.root;
  check_folder(spec_.root);
  check_folder(spec_.depth_root);
  const FocalLengths calibrated = traits_->calibration ? traits_->calibration(spec_.root) : FocalLengths();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    ListEntry& entry = entries_[i];
    choose_depth(entry);
    if (calibrated && entry.focal_px == 0) entry.focal_px = calibrated(entry.image);
    if (!entry.depth.empty()) with_depth_.push_back(i64(i));
  }
  images_ = std::make_shared<FoundFiles>(entries_.size());
  depths_ = std::make_shared<FoundFiles>(entries_.size());
}

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

std::string Dataset::image_file(i64 index) const {
  const ListEntry& listed = entry(index);
  return images_->get(index, [&] { return locate(spec_.root, listed.image); });
}

std::string Dataset::depth_file(i64 index) const {
  const ListEntry& listed = entry(index);
  MD_CHECK(!listed.depth.empty(), "dataset: frame ", index, " has no ground truth");
  const std::string& root = listed.depth_listed ? spec_.depth_root : spec_.root;  // implied: beside the image
  return depths_->get(index, [&] { return locate(root, listed.depth); });
}

Sample Dataset::load(i64 index) const {
  const ListEntry& listed = entry(index);
  Sample sample;
  sample.image_name = listed.image;
  sample.focal_px = listed.focal_px > 0 ? listed.focal_px : traits_->usual_focal_px;
  sample.image = read_rgb(image_file(index), sample.orientation);
  if (listed.depth.empty()) return sample;
  sample.depth_name = listed.depth;
  const std::string file = depth_file(index);
  const DepthImage depth = read_depth(file);
  if (depth.height != sample.image.height || depth.width != sample.image.width) {
    fail(ErrorKind::bad_data, file, ": depth of ", depth.width, "x", depth.height, " for an image of ",
         sample.image.width, "x", sample.image.height, " (", listed.image, ")");
  }
  sample.depth_m.resize(depth.pixels.size());
  const float units = units_per_m_;
  const std::uint16_t none = traits_->not_measured;
  std::transform(depth.pixels.begin(), depth.pixels.end(), sample.depth_m.begin(),
                 [=](std::uint16_t raw) { return raw == none ? 0.F : float(raw) / units; });
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
