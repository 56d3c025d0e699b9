// One image after the other: read, predict, write.
#include "tools/eval/predict.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "data/augment.h"
#include "data/colormap.h"
#include "data/datasets.h"
#include "data/npy.h"
#include "engine/durable_file.h"
#include "engine/text.h"
#include "tools/cli/cli.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"
#include "tools/cli/progress.h"
#include "tools/cli/raw_bytes.h"
#include "tools/eval/predictor.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr double kMostStored = 65535;    // of a 16-bit PNG; 0 stands for "no depth"
constexpr double kBenchmarkScale = 256;  // units per metre of KITTI's server

bool is_image(const fs::path& file) {
  std::string suffix = file.extension().string();
  std::ranges::transform(suffix, suffix.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png";
}

std::vector<fs::path> images_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (is_image(at->path())) found.push_back(at->path());
  if (error) fail(ErrorKind::missing, folder.string(), ": ", error.message());
  if (found.empty()) fail(ErrorKind::bad_data, folder.string(), ": no .jpg, .jpeg or .png in it");
  std::ranges::sort(found);
  return found;
}

/// Every input as image files.
std::vector<fs::path> resolve_inputs(const std::vector<std::string>& inputs) {
  std::vector<fs::path> files;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (input == "-") {
      for (std::string line; std::getline(std::cin, line);)
        if (!line.empty()) files.emplace_back(line);
    } else if (fs::is_directory(input, ignored)) {
      std::ranges::copy(images_in(input), std::back_inserter(files));
    } else {
      files.emplace_back(input);
    }
  }
  if (files.empty()) fail(ErrorKind::bad_data, "no image named on stdin");
  return files;
}

/// NAME.png and so on: what an image becomes.
std::vector<fs::path> outputs_of(const PredictCommand& c, const fs::path& image) {
  const std::string stem = (fs::path(c.out) / image.stem()).string();
  std::vector<fs::path> files{stem + ".png"};
  if (!c.kitti_benchmark) files.emplace_back(stem + "_color.png");
  if (c.npy) files.emplace_back(stem + ".npy");
  if (c.ply) files.emplace_back(stem + ".ply");
  return files;
}

/// Refuses images of which one would overwrite another's depth, or an image.
void require_own_names(const PredictCommand& c, const std::vector<fs::path>& images) {
  std::error_code ignored;
  std::set<fs::path> given;
  for (const fs::path& image : images) given.insert(fs::weakly_canonical(image, ignored));
  std::map<fs::path, fs::path> written;  // file -> image
  for (const fs::path& image : images) {
    for (const fs::path& file : outputs_of(c, image)) {
      if (given.contains(fs::weakly_canonical(file, ignored)))
        fail(ErrorKind::usage, "--out ", c.out, ": the depth of ", image.string(), " would overwrite ", file.string());
      const auto [at, is_new] = written.emplace(file, image);
      if (!is_new)
        fail(ErrorKind::usage, at->second.string(), " and ", image.string(), " would be written under one name");
    }
  }
}

/// Metres [h,w] on the CPU.
Tensor predict_image(const NetPredictor& net, const RgbImage& image, double focal_px) {
  const Tensor input = Tensor::empty({1, image.height, image.width, 3});
  normalise(image, input.data());
  return net(input, focal_px > 0 ? std::vector<float>{float(focal_px)} : std::vector<float>{}).front();
}

void require_finite(const Tensor& depth_m) {
  const float* const begin = depth_m.data();
  const bool finite = std::all_of(begin, begin + depth_m.numel(), [](float d) { return std::isfinite(d); });
  if (!finite) fail(ErrorKind::not_finite, "the prediction is not finite");
}

/// The benchmark's server takes 0 for a hole, and fills it.
DepthImage stored(const Tensor& depth_m, double scale, double least) {
  DepthImage image{int(depth_m.dim(0)), int(depth_m.dim(1)), {}};
  std::transform(depth_m.data(), depth_m.data() + depth_m.numel(), std::back_inserter(image.pixels),
                 [&](float d) { return std::uint16_t(std::clamp(std::round(double(d) * scale), least, kMostStored)); });
  return image;
}

ColorRange color_range(const PredictCommand& c, const Tensor& depth_m, double max_depth_m) {
  if (c.range_per_image) {
    const auto [low, high] = std::minmax_element(depth_m.data(), depth_m.data() + depth_m.numel());
    return {*low, std::max(*high, std::nextafter(*low, 1e30F))};
  }
  if (c.range_m.empty()) return {0.F, float(max_depth_m)};
  return {float(c.range_m[0]), float(c.range_m[1])};
}

/// A vertex for every pixel: the pinhole camera's point, x right, y down, z forward, with the image's colour.
std::string ply(const Tensor& depth_m, const RgbImage& image, const PredictCommand& c) {
  const double center_x = c.center_px.empty() ? (image.width - 1) / 2.0 : c.center_px[0];
  const double center_y = c.center_px.empty() ? (image.height - 1) / 2.0 : c.center_px[1];
  std::string bytes = cat("ply\nformat binary_little_endian 1.0\nelement vertex ", depth_m.numel(),
                          "\nproperty float x\nproperty float y\nproperty float z\n",
                          "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n");
  bytes.reserve(bytes.size() + std::size_t(depth_m.numel()) * 15);
  for (int y = 0, i = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x, ++i) {
      const double z = double(depth_m.data()[i]);
      append_raw(bytes, float((x - center_x) * z / c.focal_px));
      append_raw(bytes, float((y - center_y) * z / c.focal_px));
      append_raw(bytes, float(z));
      bytes.append(reinterpret_cast<const char*>(&image.pixels[std::size_t(i) * 3]), 3);
    }
  }
  return bytes;
}

void write_all(const PredictCommand& c, const std::string& stem, const RgbImage& image, const Tensor& depth_m,
               double max_depth_m) {
  if (c.kitti_benchmark) {
    write_png(stem + ".png", stored(depth_m, kBenchmarkScale, 1));
    return;
  }
  write_png(stem + ".png", stored(depth_m, c.depth_scale, 0));
  write_png(stem + "_color.png", colorize(depth_m, color_range(c, depth_m, max_depth_m), colormap(c.colormap)));
  if (c.npy) write_file_durably(stem + ".npy", to_npy(depth_m));
  if (c.ply) write_file_durably(stem + ".ply", ply(depth_m, image, c));
}

}  // namespace

void add_predict_options(CLI::App& app, PredictCommand& c) {
  show_defaults(app);
  app.add_option("CHECKPOINT", c.checkpoint, "safetensors file that mdtrain wrote")->required();
  app.add_option("IMAGES", c.inputs, "JPEG or PNG files, folders of them, or - for names on stdin")->required();
  app.add_option("--out", c.out, "folder for what is predicted")->required();
  CLI::Option* const npy =
      app.add_flag("--npy", c.npy, "write NAME.npy, depth in float32 metres for NumPy, beside the PNGs");
  CLI::Option* const ply =
      app.add_flag("--ply", c.ply, "write NAME.ply, a coloured point cloud in metres (needs --focal), beside the PNGs");
  app.add_flag("--kitti-benchmark", c.kitti_benchmark, "what KITTI's server takes: 16-bit PNGs of metres * 256 alone")
      ->excludes(npy)
      ->excludes(ply);
  app.add_flag("--flip-average", c.flip_average, "average with the prediction of the mirrored image, as NeWCRFs does");
  app.add_option("--depth-scale", c.depth_scale, "units of the 16-bit depth PNGs per metre")->check(positive());
  app.add_option("--colormap", c.colormap, "colours of NAME_color.png: " + either(colormap_names()))
      ->check(CLI::IsMember(colormap_names()));
  app.add_option("--range", c.range_m,
                 "depths of the first and the last colour, metres; default: 0 to the network's largest depth")
      ->expected(2)
      ->delimiter(',')
      ->check(not_negative());
  app.add_flag("--range-per-image", c.range_per_image, "spread the colours over each image's own depths")
      ->excludes("--range");
  app.add_option("--focal", c.focal_px, "focal length of the camera, pixels; 0: unknown")->check(positive());
  app.add_option("--center", c.center_px, "principal point x,y of the camera, pixels; default: the middle of the image")
      ->expected(2)
      ->delimiter(',');
  OptionTable device;
  add_device_options(device, c.device);
  device.define(app);
}

Exit predict(const PredictCommand& c) {
  if (c.ply && c.focal_px <= 0) fail(ErrorKind::usage, "--ply needs --focal");
  if (c.range_m.size() == 2 && c.range_m[0] >= c.range_m[1])
    fail(ErrorKind::usage, "--range: ", c.range_m[0], " to ", c.range_m[1], " m is no range");
  const Device device = choose_device(c.device);
  const LoadedNet loaded = load_net(c.checkpoint);
  loaded.net->to(device);
  const double max_depth_m = double(loaded.net->options().max_depth_m);
  const std::vector<fs::path> files = resolve_inputs(c.inputs);
  require_own_names(c, files);
  const OutputFolder out("--out", c.out);
  const NetPredictor net(*loaded.net, {.flip_average = c.flip_average});
  ProgressLine progress;
  for (std::size_t i = 0; i < files.size(); ++i) {
    progress.show(cat("predicting ", i + 1, "/", files.size(), "  ", files[i].string()));
    const RgbImage image = read_rgb(files[i].string());
    try {
      const Tensor depth_m = predict_image(net, image, c.focal_px);
      require_finite(depth_m);
      write_all(c, (out.path() / files[i].stem()).string(), image, depth_m, max_depth_m);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cannot_write) throw;
      fail(error.kind(), files[i].string(), ": ", error.what());
    }
  }
  progress.clear();
  std::cout << files.size() << (files.size() == 1 ? " image" : " images") << " in " << c.out << "\n";
  return Exit::ok;
}

}  // namespace md
