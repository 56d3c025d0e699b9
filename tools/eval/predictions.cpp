// Names first, all of them: a prediction that is not there is known before any is scored.
#include "tools/eval/predictions.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "data/depth_map.h"
#include "data/file_status.h"
#include "data/score.h"
#include "engine/check.h"

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
    for (const char* suffix : {".npy", ".png"}) {
      const std::string file = (folder / (name + suffix)).string();
      if (fs::exists(status_of(file))) return file;
    }
  }
  return "";
}

[[noreturn]] void fail_missing(const std::string& folder, const std::string& image, i64 missing, i64 wanted) {
  std::string names;
  for (const std::string& name : names_for(image)) names += cat(names.empty() ? "" : ", ", name, ".png");
  fail(ErrorKind::missing, folder, ": no prediction for ", image, " (", names, " or .npy), ", missing, " of ", wanted,
       " are missing");
}

Tensor read_map(const std::string& file, const PredictionSpec& spec) {
  const FloatMap stored = read_depth_map(file);
  const Tensor map_m = Tensor::from_host(stored.pixels, {stored.height, stored.width});
  if (!stored.integers) return spec.through_png ? through_png(map_m, spec.scale) : map_m;
  std::ranges::transform(stored.pixels, map_m.data(), [&](float units) { return units / spec.scale; });
  return map_m;
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

Tensor PredictionFolder::read(const EvalFrame& frame) const {
  const std::string& file = files_.at(std::size_t(frame.index));
  const Tensor map_m = read_map(file, spec_);
  const Shape whole{frame.sample.image.height, frame.sample.image.width}, part{frame.crop.height, frame.crop.width};
  if (map_m.shape() == part) return map_m;
  if (map_m.shape() == whole) return cut(map_m, frame.crop);
  const auto size = [](const Shape& shape) { return cat(shape[1], "x", shape[0]); };
  fail(ErrorKind::bad_data, file, ": a prediction of ", size(map_m.shape()), " for a frame of ", size(whole),
       part == whole ? "" : ", of which " + size(part) + " is evaluated", " (", frame.sample.image_name, ")");
}

std::string PredictionFolder::kinds() const {
  const auto count = [&](const char* suffix) {
    return std::ranges::count_if(files_, [&](const std::string& file) { return file.ends_with(suffix); });
  };
  const auto npy = count(".npy"), png = count(".png");
  if (npy == 0) return cat(png, " .png");
  return png == 0 ? cat(npy, " .npy") : cat(npy, " .npy and ", png, " .png");
}

}  // namespace md
