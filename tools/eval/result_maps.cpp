// One PNG a frame, numbered in list order.
#include "tools/eval/result_maps.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <limits>

namespace md {
namespace {

constexpr float kWorstError = 0.25F;  // the last colour: about where a pixel no longer counts for d1

/// "0007_kitchen_rgb_00045.png": in list order, and never the same for two frames.
std::string map_name(const EvalFrame& frame) {
  std::string name = std::filesystem::path(frame.sample.image_name).replace_extension(".png").string();
  std::ranges::replace(name, '/', '_');
  std::ostringstream numbered;
  numbered << std::setw(4) << std::setfill('0') << frame.index << '_' << name;
  return numbered.str();
}

std::unique_ptr<StagedFolder> stage(const std::string& option, const std::string& folder) {
  return folder.empty() ? nullptr : std::make_unique<StagedFolder>(option, folder);
}

void write_map(const StagedFolder& folder, const EvalFrame& frame, const RgbImage& image) {
  write_png((folder.path() / map_name(frame)).string(), image);
}

}  // namespace

ResultMaps::ResultMaps(const ResultMapsSpec& spec)
    : spec_(spec), maps_(stage("--maps", spec.maps)), error_maps_(stage("--error-maps", spec.error_maps)) {}

void ResultMaps::write(const EvaluatedFrame& f) const {
  if (maps_) write_map(*maps_, f.frame, colorize(f.pred_m, {.far_m = spec_.far_m}, spec_.colormap));
  if (error_maps_ && f.scored) {
    write_map(*error_maps_, f.frame, colorize(error_map(*f.scored), {.far_m = kWorstError}, spec_.colormap));
  }
}

void ResultMaps::publish() const {
  for (const auto& folder : {maps_.get(), error_maps_.get()})
    if (folder) folder->publish();
}

Tensor error_map(const Scored& scored) {
  const Tensor errors = Tensor::empty(scored.gt_m.shape());
  for (i64 i = 0; i < errors.numel(); ++i) {
    const float gt_m = scored.gt_m.data()[i], error = std::abs(scored.pred_m.data()[i] - gt_m) / gt_m;
    // No error is the first colour, not "no measurement".
    constexpr float kNone = std::numeric_limits<float>::min();
    errors.data()[i] = scored.pixels.data<std::uint8_t>()[i] ? std::max(error, kNone) : std::nanf("");
  }
  return errors;
}

}  // namespace md
