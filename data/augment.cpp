// The result is read straight from the full frame, row by row: crop, rotation and flip only say where from, and the
// colours of each sample are a table of 256 values a channel.
#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/datasets.h"
#include "data/rotation.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr EvalCrop kb_size{0, 0, 352, 1216};         // the KITTI benchmark's
constexpr EvalCrop nyu_inside{45, 43, 427, 565};     // NYU frames without their white border
constexpr double gamma_low = 0.9, gamma_high = 1.1;  // gamma and colour factors, in both papers

using Table = std::array<std::array<float, 256>, 3>;  // channel, byte -> what the net sees

struct Jitter {
  bool on = false;
  double gamma = 1, brightness = 1;
  std::array<double, 3> colour{1, 1, 1};
};

/// All that happens to a colour depends on one byte, so 256 values a channel say it exactly as NumPy computes it.
Table colour_table(const Jitter& jitter) {
  Table table;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      float value = float(byte) / 255.F;
      if (jitter.on) {
        value = std::pow(value, float(jitter.gamma)) * float(jitter.brightness);
        value = std::clamp(float(double(value) * jitter.colour[c]), 0.F, 1.F);
      }
      table[c][byte] = (value - kImageNetMean[c]) / kImageNetDeviation[c];
    }
  }
  return table;
}

/// The draws of one sample, made in the official order before any pixel is touched.
struct Plan {
  double angle_degree = 0;
  int left = 0, top = 0;  // of the random crop, inside the box
  bool flip = false;
  Jitter jitter;
};

Plan draw_plan(const AugmentSpec& spec, const EvalCrop& box, Draws& draws) {
  Plan plan;
  if (spec.rotation_degree > 0) plan.angle_degree = (draws.unit() - 0.5) * 2 * spec.rotation_degree;
  if (spec.always_draw_crop || box.width != spec.width || box.height != spec.height) {
    plan.left = int(draws.integer(0, box.width - spec.width));
    plan.top = int(draws.integer(0, box.height - spec.height));
  }
  if (spec.flip) plan.flip = draws.unit() > 0.5;
  if (spec.photometric) plan.jitter.on = draws.unit() > 0.5;
  if (plan.jitter.on) {
    plan.jitter.gamma = draws.uniform(gamma_low, gamma_high);
    plan.jitter.brightness = draws.uniform(spec.brightness[0], spec.brightness[1]);
    for (double& colour : plan.jitter.colour) colour = draws.uniform(gamma_low, gamma_high);
  }
  return plan;
}

[[noreturn]] void fail_too_small(const std::string& frame, int frame_height, int frame_width, int width, int height) {
  fail(ErrorKind::bad_data, frame, ": frame of ", frame_width, "x", frame_height, " is too small for a crop of ", width,
       "x", height);
}

EvalCrop benchmark_crop(int height, int width, const std::string& frame) {
  if (height < kb_size.height || width < kb_size.width)
    fail_too_small(frame, height, width, kb_size.width, kb_size.height);
  return {height - kb_size.height, (width - kb_size.width) / 2, kb_size.height, kb_size.width};
}

EvalCrop box_of(const Sample& sample, const AugmentSpec& spec) {
  const int height = sample.image.height, width = sample.image.width;
  const EvalCrop box = fixed_crop(spec, height, width, sample.image_name);
  if (box.height < spec.height || box.width < spec.width)
    fail_too_small(sample.image_name, height, width, spec.width, spec.height);
  return box;
}

/// Measurements outside the border box vanish.
std::vector<float> without_border(const Sample& sample) {
  const auto outside = [](int i, int begin, int length) { return i < begin || i >= begin + length; };
  std::vector<float> depth_m = sample.depth_m;
  for (int y = 0; y < sample.image.height; ++y) {
    const bool outside_y = outside(y, nyu_inside.top, nyu_inside.height);
    float* row = depth_m.data() + i64(y) * sample.image.width;
    for (int x = 0; x < sample.image.width; ++x) {
      if (outside_y || outside(x, nyu_inside.left, nyu_inside.width)) row[x] = 0;
    }
  }
  return depth_m;
}

template <class T>
Window<T> window_of(const std::vector<T>& pixels, const EvalCrop& box, int frame_width, int channels) {
  const std::size_t stride = std::size_t(frame_width) * channels;
  return {pixels.data() + box.top * stride + std::size_t(box.left) * channels, box.height, box.width, stride};
}

void look_up(const Table& table, const std::uint8_t* rgb, i64 pixels, float* image) {
  for (i64 i = 0; i < pixels; ++i) {
    for (std::size_t c = 0; c < 3; ++c) image[3 * i + i64(c)] = table[c][rgb[3 * i + i64(c)]];
  }
}

/// Row y of the crop before its colours change: rotated if the spec says so, then flipped.
class RowReader {
 public:
  RowReader(const Window<std::uint8_t>& rgb, const Window<float>& depth_m, const AugmentSpec& spec, const Plan& plan)
      : rgb_(rgb),
        depth_m_(depth_m),
        plan_(plan),
        width_(spec.width),
        rotated_(spec.rotation_degree > 0),
        rotation_(plan.angle_degree, rgb.width, rgb.height) {}

  void read(int y, std::uint8_t* rgb, float* depth_m) const {
    const int right = plan_.left + width_ - 1;
    const RowSpan row{plan_.top + y, plan_.flip ? right : plan_.left, plan_.flip ? -1 : 1, width_};
    if (!rotated_) return read_straight(row, rgb, depth_m);
    rotation_.bilinear(rgb_, row, rgb);
    rotation_.nearest(depth_m_, row, depth_m);
  }

 private:
  void read_straight(const RowSpan& row, std::uint8_t* rgb, float* depth_m) const {
    const std::uint8_t* colours = rgb_.pixels + std::size_t(row.y) * rgb_.stride;
    const float* depths = depth_m_.pixels + std::size_t(row.y) * depth_m_.stride;
    for (int i = 0; i < row.count; ++i) {
      const int x = row.x + i * row.step;
      std::copy_n(colours + 3 * x, 3, rgb + 3 * i);
      depth_m[i] = depths[x];
    }
  }

  Window<std::uint8_t> rgb_;
  Window<float> depth_m_;
  const Plan& plan_;
  int width_;
  bool rotated_;
  Rotation rotation_;
};

}  // namespace

AugmentSpec official_augmentation(const std::string& peer, const std::string& dataset) {
  const auto of_peer = [&](const DatasetTraits& traits) { return traits.augmentations.contains(peer); };
  const DatasetTraits& traits = dataset_traits(dataset);
  if (of_peer(traits)) return traits.augmentations.at(peer);
  const std::string others = datasets_with(of_peer);
  if (others.empty()) fail(ErrorKind::usage, "augmentation '", peer, "': there is no such peer (bts, newcrfs)");
  fail(ErrorKind::usage, "augmentation '", peer, "' is for ", others, ", not for ", dataset);
}

void augment(const Sample& sample, const AugmentSpec& spec, Draws& draws, float* image, float* depth_m) {
  MD_CHECK(sample.has_depth(), "augment: ", sample.image_name, " has no ground truth");
  const EvalCrop box = box_of(sample, spec);
  const Plan plan = draw_plan(spec, box, draws);
  const bool zero_border = spec.border == NyuBorder::zero_depth;
  const std::vector<float> inside = zero_border ? without_border(sample) : std::vector<float>();
  const int frame_width = sample.image.width;
  const RowReader reader(window_of(sample.image.pixels, box, frame_width, 3),
                         window_of(zero_border ? inside : sample.depth_m, box, frame_width, 1), spec, plan);
  const Table table = colour_table(plan.jitter);
  std::vector<std::uint8_t> rgb(std::size_t(spec.width) * 3);
  for (int y = 0; y < spec.height; ++y) {
    reader.read(y, rgb.data(), depth_m + i64(y) * spec.width);
    look_up(table, rgb.data(), spec.width, image + i64(y) * spec.width * 3);
  }
}

void normalise(const RgbImage& frame, const EvalCrop& crop, float* image) {
  MD_CHECK(crop.top >= 0 && crop.left >= 0 && crop.top + crop.height <= frame.height &&
               crop.left + crop.width <= frame.width,
           "normalise: crop of ", crop.width, "x", crop.height, " leaves the frame");
  const Table table = colour_table({});
  const auto rgb = window_of(frame.pixels, crop, frame.width, 3);
  for (int y = 0; y < crop.height; ++y) {
    look_up(table, rgb.pixels + std::size_t(y) * rgb.stride, crop.width, image + i64(y) * crop.width * 3);
  }
}

void normalise(const RgbImage& frame, float* image) { normalise(frame, {0, 0, frame.height, frame.width}, image); }

EvalCrop fixed_crop(const AugmentSpec& spec, int height, int width, const std::string& frame) {
  const EvalCrop box = spec.kb_crop ? benchmark_crop(height, width, frame) : EvalCrop{0, 0, height, width};
  if (spec.border != NyuBorder::crop) return box;
  if (box.height < nyu_inside.top + nyu_inside.height || box.width < nyu_inside.left + nyu_inside.width)
    fail_too_small(frame, height, width, nyu_inside.left + nyu_inside.width, nyu_inside.top + nyu_inside.height);
  return {box.top + nyu_inside.top, box.left + nyu_inside.left, nyu_inside.height, nyu_inside.width};
}

void require_room(const Sample& sample, const AugmentSpec& spec) { box_of(sample, spec); }

EvalCrop kb_crop(const Sample& sample) {
  return benchmark_crop(sample.image.height, sample.image.width, sample.image_name);
}

}  // namespace md
