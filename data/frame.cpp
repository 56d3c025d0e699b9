// Numbers of files become metres first, at the depth's size; then the image follows.
#include "data/frame.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/datasets.h"
#include "data/depth_map.h"
#include "data/file_status.h"
#include "data/rescale.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr double kAspectTolerance = 0.03;  // ScanNet's 1296x968 and 640x480 differ by 0.004

std::string size_of(int height, int width) { return cat(width, "x", height); }

bool is_png_file(const std::string& file) { return file.ends_with(".png") || file.ends_with(".PNG"); }

/// 1 where a mask is not 0.
std::vector<bool> read_mask(const std::string& file, int height, int width) {
  std::vector<bool> mask;
  const auto check_size = [&](int its_height, int its_width) {
    if (its_height != height || its_width != width)
      fail(ErrorKind::bad_data, file, ": a mask of ", size_of(its_height, its_width), " for depth of ",
           size_of(height, width));
  };
  if (is_png_file(file)) {  // of any depth and colour type, which only readers of pictures know
    const RgbImage image = read_rgb(file);
    check_size(image.height, image.width);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) mask.push_back(image.pixels[i] != 0);
    return mask;
  }
  const FloatMap map = read_depth_map(file);
  check_size(map.height, map.width);
  for (const float value : map.pixels) mask.push_back(value != 0);
  return mask;
}

/// Distances from the camera's centre become distances from its plane; the centre of the image is on its axis.
void from_rays(std::vector<float>& depth_m, int height, int width, double focal_px) {
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double right = x + 0.5 - width / 2.0, down = y + 0.5 - height / 2.0;
      float& metres = depth_m[std::size_t(y) * std::size_t(width) + std::size_t(x)];
      metres = float(metres * focal_px / std::sqrt(right * right + down * down + focal_px * focal_px));
    }
  }
}

/// As OpenCV's INTER_NEAREST: pixel i is pixel floor(i * from / to) of the source.
RgbImage nearest_pixels(const RgbImage& image, int height, int width) {
  RgbImage made{height, width, {}};
  made.pixels.reserve(std::size_t(height) * std::size_t(width) * 3);
  for (i64 y = 0; y < height; ++y) {
    const std::uint8_t* const row = image.pixels.data() + y * image.height / height * image.width * 3;
    for (i64 x = 0; x < width; ++x) {
      const std::uint8_t* const pixel = row + x * image.width / width * 3;
      made.pixels.insert(made.pixels.end(), pixel, pixel + 3);
    }
  }
  return made;
}

void bring_image_to(int height, int width, const std::string& depth_file, OtherSize how, Sample& sample) {
  RgbImage& image = sample.image;
  if (image.height == height && image.width == width) return;
  const double aspect = double(width) / height / (double(image.width) / image.height);
  if (how == OtherSize::refused || std::abs(aspect - 1) > kAspectTolerance)
    fail(ErrorKind::bad_data, depth_file, ": depth of ", size_of(height, width), " for an image of ",
         size_of(image.height, image.width), " (", sample.image_name, ")");
  sample.resized = cat(size_of(image.height, image.width), " to ", size_of(height, width));
  sample.focal_px *= double(width) / image.width;
  image = how == OtherSize::nearest ? nearest_pixels(image, height, width) : rescaled(image, height, width);
}

[[noreturn]] void refuse_hdf5(const std::string& file) {
  fail(ErrorKind::bad_data, file,
       ": HDF5 is not read; python3 -c \"import h5py, numpy, sys; numpy.save(sys.argv[2], "
       "h5py.File(sys.argv[1])['dataset'])\""
       " IN.hdf5 OUT.npy makes a file that is");
}

}  // namespace

std::uint16_t rotated_back(std::uint16_t stored) { return std::uint16_t(stored >> 3 | stored << 13); }

void read_frame_depth(const std::string& file, const DatasetTraits& traits, const DatasetSpec& spec, Sample& sample) {
  if (file.ends_with(".hdf5") || file.ends_with(".h5")) refuse_hdf5(file);
  FloatMap map = read_depth_map(file);
  bring_image_to(map.height, map.width, file, traits.other_size, sample);
  sample.whole_units = map.integers;
  const float units_per_m = map.integers || spec.depth_scale > 0 ? spec.units_per_m() : 1;
  const auto units_of = map.integers ? traits.stored_units : std::function<float(float)>();
  const float also_none = float(spec.invalid_value);
  sample.depth_m = std::move(map.pixels);
  for (float& number : sample.depth_m) {
    const bool none = number == traits.not_measured || number == also_none || !std::isfinite(number);
    const float units = none ? 0.F : units_of ? units_of(number) : number;
    number = units > 0 ? units / units_per_m : 0.F;
  }
  for (const std::string& mask_file : traits.masks ? traits.masks(file) : std::vector<std::string>()) {
    if (!std::filesystem::exists(status_of(mask_file))) continue;
    const std::vector<bool> measured = read_mask(mask_file, map.height, map.width);
    for (std::size_t i = 0; i < measured.size(); ++i) sample.depth_m[i] = measured[i] ? sample.depth_m[i] : 0.F;
  }
  if (traits.along_ray) from_rays(sample.depth_m, map.height, map.width, sample.focal_px);
  if (spec.valid_below_m > 0) {
    for (float& depth_m : sample.depth_m) depth_m = depth_m < spec.valid_below_m ? depth_m : 0.F;
  }
}

}  // namespace md
