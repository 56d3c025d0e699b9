// Names first, all of them: a prediction that is not there is known before any is scored.
#include "tools/eval/predictions.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "data/depth_map.h"
#include "data/file_status.h"
#include "data/score.h"
#include "engine/check.h"
#include "engine/text.h"
#include "tools/eval/resample.h"

namespace md {
namespace {

namespace fs = std::filesystem;

/// Without suffix, in the order in which they are looked for.
std::vector<std::string> names_for(const std::string& image) {
  const fs::path path = fs::path(image).replace_extension();
  std::string flat = path.string();
  std::ranges::replace(flat, '/', '_');
  std::vector<std::string> names{path.string(), flat, path.filename().string()};
  const std::vector<fs::path> parts(path.begin(), path.end());
  if (parts.size() > 2) names.insert(names.begin() + 2, parts[1].string() + "_" + path.filename().string());
  names.erase(std::unique(names.begin(), names.end()), names.end());  // an image without folders has one name
  return names;
}

std::string find_file(const fs::path& folder, const std::string& image) {
  for (const std::string& name : names_for(image)) {
    for (const std::string& ending : depth_map_endings()) {
      const std::string file = (folder / (name + ending)).string();
      if (fs::exists(status_of(file))) return file;
    }
  }
  return "";
}

[[noreturn]] void fail_missing(const std::string& folder, const std::string& image, i64 missing, i64 wanted) {
  std::string names;
  for (const std::string& name : names_for(image)) names += cat(names.empty() ? "" : ", ", name, ".png");
  fail(ErrorKind::missing, folder, ": no prediction for ", image, " (", names, " or .npy, .npz, .exr, .pfm), ", missing,
       " of ", wanted, " are missing");
}

std::string size_text(const Shape& shape) { return cat(shape[1], "x", shape[0]); }

/// How far two maps are from the same shape.
double stretch(const Shape& a, const Shape& b) {
  return std::abs(std::log(double(a[0]) / double(a[1]) * double(b[1]) / double(b[0])));
}

}  // namespace

PredictionFolder::PredictionFolder(const std::string& folder, const Dataset& data, const PredictionSpec& spec)
    : spec_(spec) {
  if (!fs::is_directory(status_of(folder))) fail(ErrorKind::missing, "--predictions ", folder, ": no such folder");
  files_.resize(std::size_t(data.size()));
  std::map<std::string, std::string> owner;  // file -> image
  std::string first_missing;
  i64 missing = 0;
  for (const i64 i : data.with_depth()) {
    const std::string& image = data.entries()[std::size_t(i)].image;
    std::string& file = files_[std::size_t(i)];
    file = find_file(folder, image);
    if (file.empty()) {
      if (missing++ == 0) first_missing = image;
      continue;
    }
    const auto [other, is_new] = owner.emplace(file, image);
    if (!is_new && other->second != image) {
      fail(ErrorKind::bad_data, file, ": would be the prediction of ", other->second, " and of ", image);
    }
  }
  if (missing > 0) fail_missing(folder, first_missing, missing, i64(data.with_depth().size()));
}

Tensor PredictionFolder::read_metres(const std::string& file) {
  const FloatMap stored = read_depth_map(file);
  const Tensor map_m = Tensor::from_host(stored.pixels, {stored.height, stored.width});
  if (!stored.integers) return spec_.through_png ? through_png(map_m, spec_.scale) : map_m;
  ++integer_maps_;
  std::ranges::transform(stored.pixels, map_m.data(), [&](float units) { return units / spec_.scale; });
  return map_m;
}

Tensor PredictionFolder::read(const EvalFrame& frame) {
  Tensor map_m = read_metres(file(frame));
  const Shape whole{frame.sample.image.height, frame.sample.image.width}, part{frame.crop.height, frame.crop.width};
  if (map_m.shape() != part && map_m.shape() != whole) {
    if (spec_.resampling == Resampling::refused)
      fail(ErrorKind::bad_data, file(frame), ": a prediction of ", size_text(map_m.shape()), " for a frame of ",
           size_text(whole), part == whole ? "" : ", of which " + size_text(part) + " is evaluated", " (",
           frame.sample.image_name, "); --resize-predictions resamples it");
    const Shape& nearer = stretch(map_m.shape(), part) < stretch(map_m.shape(), whole) ? part : whole;
    map_m = resampled(map_m, nearer[0], nearer[1], spec_.resampling);
    ++resampled_maps_;
  }
  return map_m.shape() == part ? map_m : cut(map_m, frame.crop);
}

std::string PredictionFolder::kinds() const {
  std::vector<std::string> kinds;
  for (const std::string& ending : depth_map_endings()) {
    const auto files = std::ranges::count_if(files_, [&](const std::string& file) { return file.ends_with(ending); });
    if (files > 0) kinds.push_back(cat(files, " ", ending));
  }
  return listed(kinds, " and ");
}

}  // namespace md
