// Sizes of training frames from a checkpoint, and the arithmetic of working sizes.
#include "tools/eval/input_size.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include "data/augment.h"
#include "data/datasets.h"

namespace md {
namespace {

constexpr int kSmallest = 32, kLargest = 4096;  // sides that networks take
constexpr double kNotWorthIt = 0.02;            // of a side: a change so small costs more sharpness than it gains
constexpr ImageSize kKittiFrame{375, 1242}, kNyuFrame{480, 640};  // the only ones that have the crops made for them

int shorter(const ImageSize& size) { return std::min(size.height, size.width); }

/// What happened to training frames, as far as it decides their size: from the config, or as a peer's code has it for
/// the data set. Height 0: nobody knows.
AugmentSpec training_crop(const nlohmann::json& config) {
  AugmentSpec spec{.height = 0, .width = 0, .border = NyuBorder::keep};
  if (config.contains("height") && config.contains("width")) {
    spec.height = config["height"];
    spec.width = config["width"];
    spec.kb_crop = config.value("kb-crop", false);
    if (config.value("border", "keep") == "crop") spec.border = NyuBorder::crop;
  } else if (config.contains("dataset")) {
    const auto& known = dataset_traits(config["dataset"]).augmentations;
    if (const auto bts = known.find("bts"); bts != known.end()) spec = bts->second;
  }
  return spec;
}

int rounded(double side) { return std::clamp(int(std::lround(side)), kSmallest, kLargest); }

/// The factor that brings `side` into least..most.
double factor_into(const TrainedSize& trained_at, int side) {
  if (side < trained_at.least * (1 - kNotWorthIt)) return double(trained_at.least) / side;
  if (side > trained_at.most * (1 + kNotWorthIt)) return double(trained_at.most) / side;
  return 1;
}

}  // namespace

TrainedSize trained_size(const RunState& run) {
  const AugmentSpec crop = training_crop(run.config);
  ImageSize frame{run.frame_height, run.frame_width};
  if (frame.height == 0) {
    const bool nyu = crop.border == NyuBorder::crop;
    frame = crop.kb_crop ? kKittiFrame : nyu ? kNyuFrame : ImageSize{crop.height, crop.width};
  }
  const EvalCrop box = fixed_crop(crop, frame.height, frame.width, "the first training frame");
  return {std::min(box.height, box.width), shorter(frame)};
}

InputSize input_size(const std::string& option, const TrainedSize& trained_at) {
  using How = InputSize::How;
  if (option.empty()) return {trained_at.least > 0 ? How::trained : How::native, {}, trained_at};
  if (option == "native") return {How::native, {}, trained_at};
  static const std::regex pattern("([0-9]{1,6})x([0-9]{1,6})");
  std::smatch part;
  if (!std::regex_match(option, part, pattern))
    fail(ErrorKind::usage, "--input-size ", option, ": wanted is HxW, such as 480x640, or native");
  const ImageSize box{std::stoi(part[1]), std::stoi(part[2])};
  if (shorter(box) < kSmallest || std::max(box.height, box.width) > kLargest)
    fail(ErrorKind::usage, "--input-size ", option, ": each side must be ", kSmallest, " to ", kLargest);
  return {How::fit, box, trained_at};
}

ImageSize working_size(const InputSize& input, ImageSize picture) {
  if (input.how == InputSize::How::native) return picture;
  double factor = input.how == InputSize::How::fit
                      ? std::min(double(input.box.height) / picture.height, double(input.box.width) / picture.width)
                      : factor_into(input.trained_at, shorter(picture));
  factor = std::min(factor, double(kLargest) / std::max(picture.height, picture.width));
  return {rounded(picture.height * factor), rounded(picture.width * factor)};
}

int shorter_side_wanted(const InputSize& input) {
  if (input.how == InputSize::How::native) return 0;
  return input.how == InputSize::How::fit ? shorter(input.box)
                                          : int(std::ceil(input.trained_at.most * (1 + kNotWorthIt)));
}

std::string describe(const InputSize& input) {
  if (input.how == InputSize::How::native) return "every pixel of the picture";
  if (input.how == InputSize::How::fit) return cat("what fits into ", input.box.height, "x", input.box.width);
  const auto& [least, most] = input.trained_at;
  return least == most ? cat("shorter side ", least, " pixels, as in training")
                       : cat("shorter side ", least, " to ", most, " pixels, as in training");
}

}  // namespace md
