// Frames go into a network as `mdeval predict` gives it pictures.
#include "tools/figure/subjects.h"

#include <algorithm>
#include <filesystem>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/datasets.h"
#include "data/picture.h"
#include "data/rescale.h"
#include "engine/autograd.h"
#include "losses/metric_depth.h"
#include "tools/report/run_subject.h"
#include "tools/run/run_folder.h"

namespace md {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string name_of(const fs::path& path) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(path, ignored);
  if (is_run(path)) return whole.filename().string();
  const bool in_run = fs::exists(config_file(whole.parent_path().string()), ignored);
  return in_run ? whole.parent_path().filename().string() : whole.stem().string();
}

FigureFrame frame_of(const Sample& sample) {
  FigureFrame frame{.name = sample.image_name, .image = sample.image, .focal_px = sample.focal_px};
  if (sample.has_depth()) frame.gt_m = Tensor::from_host(sample.depth_m, {sample.image.height, sample.image.width});
  return frame;
}

FigureFrame picture_frame(const FrameChoice& c) {
  if (c.depth.empty()) {
    const Picture picture = read_picture(c.image);
    return {.name = fs::path(c.image).filename().string(), .image = picture.image, .focal_px = c.focal_px};
  }
  DataOptions data = c.data;
  if (data.dataset.empty()) data.dataset = "nyu";
  Sample sample;
  sample.image = read_rgb(c.image);
  sample.focal_px = c.focal_px;
  sample.image_name = fs::path(c.image).filename().string();
  read_frame_depth(c.depth, dataset_traits(data.dataset), dataset_spec(data, ""), sample);
  return frame_of(sample);
}

/// Of a run's config, unless the user says another place.
DatasetSpec spec_of(const FrameChoice& c, const std::vector<FigureNet>& nets) {
  TrainOptions where;
  if (!nets.empty()) where = evaluation_options(nets.front().loaded.state.config, c.data.root, c.list);
  if (nets.empty() || !c.data.dataset.empty()) {
    where.data = c.data;
    if (where.data.dataset.empty()) where.data.dataset = "nyu";
  }
  if (!c.list.empty()) where.eval_list = c.list;
  if (where.data.root.empty()) fail(ErrorKind::usage, "--data is required, or --image");
  if (where.eval_list.empty()) fail(ErrorKind::usage, "--list is required, or --image");
  DatasetSpec spec = dataset_spec(where.data, where.eval_list);
  spec.dense = spec.velodyne_raw = false;
  return spec;
}

std::vector<i64> places_in(const Dataset& data, const std::vector<i64>& numbers, i64 wanted) {
  std::vector<i64> places;
  for (const i64 number : numbers) {
    if (number < 1 || number > data.size())
      fail(ErrorKind::usage, "--frames: ", number, " is none of the list's 1 to ", data.size());
    places.push_back(number - 1);
  }
  if (!numbers.empty()) return places;
  const std::vector<i64>& all = data.with_depth();
  if (all.empty())
    fail(ErrorKind::bad_data, data.spec().list, ": no frame of it has ground truth; --frames says which to show");
  const auto count = i64(all.size());
  wanted = std::min(wanted, count);
  for (i64 i = 0; i < wanted; ++i) places.push_back(all[std::size_t((2 * i + 1) * count / (2 * wanted))]);
  return places;
}

}  // namespace

FigureNet::FigureNet(const std::string& path, const DeviceOptions& device)
    : name(name_of(path)),
      loaded(load_folded_net(is_run(path) ? network_of_run(path) : path)),
      size_(input_size("", trained_size(loaded.state))) {
  loaded.net->to(choose_device(device));
}

FigurePrediction FigureNet::predict(const FigureFrame& frame) const {
  if (loaded.net->options().focal_scaling && frame.focal_px <= 0)
    fail(ErrorKind::usage, "--focal is needed: ", name, " scales depth by the camera's focal length");
  const NoGrad no_grad;
  const ImageSize size = working_size(size_, {frame.image.height, frame.image.width});
  const Tensor input = Tensor::empty({1, size.height, size.width, 3});
  const bool as_it_is = frame.image.height == size.height && frame.image.width == size.width;
  normalise(as_it_is ? frame.image : rescaled(frame.image, size.height, size.width), input.data());
  const Device device = loaded.net->parameters().front().tensor.device();
  const float focal_px = float(frame.focal_px * size.width / frame.image.width);
  const DepthMaps maps =
      loaded.net->forward(input.to(device), Tensor::from_host(std::vector<float>{focal_px}, {1}, device));
  const Tensor features = maps.features.to(Device{});
  return {maps.depth_m.to(Device{}).reshape({size.height, size.width}),
          features.reshape({features.dim(1), features.dim(2), features.dim(3)})};
}

std::vector<FigureFrame> figure_frames(const FrameChoice& c, const std::vector<FigureNet>& nets, i64 wanted) {
  if (!c.image.empty()) {
    if (!c.list.empty() || !c.frames.empty()) fail(ErrorKind::usage, "--image excludes --list and --frames");
    return {picture_frame(c)};
  }
  if (!c.depth.empty()) fail(ErrorKind::usage, "--depth is the ground truth of --image");
  const Dataset data(spec_of(c, nets));
  std::vector<FigureFrame> frames;
  for (const i64 place : places_in(data, c.frames, wanted)) frames.push_back(frame_of(data.load(place)));
  return frames;
}

Tensor depth_for(const FigureFrame& frame, const Tensor& map, const std::string& figure) {
  if (!frame.gt_m) fail(ErrorKind::usage, frame.name, " has no ground truth, which the figure ", figure, " is about");
  const i64 h = map.dim(0), w = map.dim(1);
  const Tensor whole = frame.gt_m.reshape({1, frame.gt_m.dim(0), frame.gt_m.dim(1)});
  if (h > whole.dim(1) || w > whole.dim(2))
    fail(ErrorKind::bad_data, frame.name, ": its ground truth is smaller than the feature map of ", h, "x", w);
  return depth_to_feature_size(whole, h, w, DepthCell::nearest).reshape({h, w});
}

}  // namespace md
