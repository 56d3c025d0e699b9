// One picture or frame after the other: read, predict, write.
#include "tools/eval/predict.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <new>
#include <set>

#include "data/datasets.h"
#include "engine/printed.h"
#include "tools/cli/cli.h"
#include "tools/cli/data_options.h"
#include "tools/cli/output.h"
#include "tools/eval/picture_list.h"
#include "tools/eval/predict_report.h"
#include "tools/eval/yuv4mpeg.h"
#include "tools/run/checkpoint.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr double kBenchmarkScale = 256;  // units per metre of KITTI's server
constexpr double kFilmWidth_mm = 36;     // of which a 35 mm focal length speaks
constexpr double kUsualScale = 1000;     // where a checkpoint names no data set
constexpr double kCoarsestScale = 100;   // centimetres, as vKITTI has them
constexpr const char* kStdout = "-";

void require_sense(const PredictCommand& c) {
  const bool video = !c.stdin_frames.empty();
  if (c.inputs.empty() && !video) fail(ErrorKind::usage, "IMAGES is required");
  if (c.files.ply && c.focal.empty()) fail(ErrorKind::usage, "--ply needs --focal");
  if (c.range_m.size() == 2 && c.range_m[0] >= c.range_m[1])
    fail(ErrorKind::usage, "--range: ", c.range_m[0], " to ", c.range_m[1], " m is no range");
  if (video && c.focal == "exif") fail(ErrorKind::usage, "--focal exif: frames of a video have no EXIF; give pixels");
  if (c.out != kStdout) return;
  if (!video) fail(ErrorKind::usage, "--out -: a stream goes with --stdin-frames");
  if (c.files.ply || c.files.npy || c.files.kitti_benchmark)
    fail(ErrorKind::usage, "--out - writes colours alone, without --npy, --ply and --kitti-benchmark");
}

/// Units per metre of the data set that the network was trained on, unless they are too coarse for what it predicts.
double trained_scale(const nlohmann::json& config) {
  if (!config.contains("dataset")) return kUsualScale;
  const DataOptions data = data_options_of(config);
  const DatasetSpec spec{.dataset = data.dataset, .depth_scale = data.depth_scale};
  const double units_per_m = double(spec.units_per_m());
  return units_per_m < kCoarsestScale ? kUsualScale : units_per_m;
}

DepthFileOptions files_of(const PredictCommand& c, const LoadedNet& loaded) {
  DepthFileOptions files = c.files;
  files.depth_scale = c.depth_scale > 0 ? c.depth_scale : trained_scale(loaded.state.config);
  if (files.kitti_benchmark) files.depth_scale = kBenchmarkScale;
  files.range = {0.F, loaded.net->options().max_depth_m};
  if (!c.range_m.empty()) files.range = {float(c.range_m[0]), float(c.range_m[1])};
  files.colours = colormap(c.colormap);
  return files;
}

LoadedNet load_for(const PredictCommand& c) {
  LoadedNet loaded = load_folded_net(c.checkpoint);
  if (loaded.net->options().focal_scaling && c.focal.empty())
    fail(ErrorKind::usage, "--focal is needed: ", c.checkpoint,
         " scales depth by the camera's focal length (pixels of the picture; KITTI's is about 721)");
  loaded.net->to(choose_device(c.device));
  return loaded;
}

TrainedSize trained_size_of(const PredictCommand& c, const LoadedNet& loaded) {
  try {
    return trained_size(loaded.state);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::bad_data, c.checkpoint, ": __metadata__: config: ", error.what());
  } catch (const Error& error) {
    fail(ErrorKind::bad_data, c.checkpoint, ": ", error.what());
  }
}

/// Refuses to write over a picture that is to be read, or a depth map beside one.
void require_nothing_overwritten(const PredictCommand& c, const PictureList& list,
                                 const std::vector<std::string>& endings) {
  std::error_code ignored;
  std::set<fs::path> given;
  for (const ListedPicture& picture : list.pictures) given.insert(fs::weakly_canonical(picture.file, ignored));
  for (const fs::path& depth_map : list.depth_maps) given.insert(fs::weakly_canonical(depth_map, ignored));
  const fs::path out = fs::weakly_canonical(c.out, ignored);
  for (const ListedPicture& picture : list.pictures) {
    for (const std::string& ending : endings) {
      if (given.contains(out / (picture.name + ending)))
        fail(ErrorKind::usage, "--out ", c.out, ": the depth of ", picture.file.string(), " would overwrite ",
             (fs::path(c.out) / (picture.name + ending)).string());
    }
  }
}

/// `work`; an error of it begins with the picture's name.
template <class Work>
auto naming(const std::string& name, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    fail(error.kind(), name, ": ", error.what());
  }
}

class PredictRun {
 public:
  explicit PredictRun(const PredictCommand& c)
      : command_(c),
        loaded_(load_for(c)),
        files_(files_of(c, loaded_)),
        size_(input_size(c.input_size, trained_size_of(c, loaded_))),
        net_(*loaded_.net, size_, {.flip_average = c.flip_average}) {}

  Exit pictures() {
    const PictureList list = list_pictures(
        arguments(), {.recursive = command_.recursive, .out = command_.out, .endings = depth_file_endings(files_)});
    require_nothing_overwritten(command_, list, depth_file_endings(files_));
    single_ = list.pictures.size() + list.errors.size() == 1;
    const OutputFolder out("--out", command_.out);
    for (const Error& error : list.errors) failed(error);
    report_.left_out(list);
    for (std::size_t i = 0; i < list.pictures.size(); ++i) {
      const ListedPicture& picture = list.pictures[i];
      report_.progress().show(
          one_line(cat("predicting ", i + 1, "/", list.pictures.size(), "  ", picture.file.string())));
      if (command_.skip_existing && is_complete(picture)) {
        report_.skipped_one();
        continue;
      }
      try {
        predict_file(picture);
      } catch (const Error& error) {
        failed(error);
      } catch (const std::bad_alloc&) {
        failed(Error(ErrorKind::contract, picture.file.string() + ": out of memory"));
      }
    }
    return report_.finish(std::cout, "image", command_.out, size_, files_);
  }

  Exit frames() {
    const bool to_stdout = command_.out == kStdout;
    Yuv4MpegReader reader(std::cin, "stdin");
    if (reader.header().interlaced)
      report_.warn("stdin: interlaced frames are predicted as they are (ffmpeg -vf yadif makes whole ones)");
    std::optional<OutputFolder> out;
    if (!to_stdout) out.emplace("--out", command_.out);
    if (to_stdout) std::cout << yuv4mpeg_444_header(reader.header());
    RgbImage frame;
    try {
      while (std::cout && reader.next(frame)) predict_frame(frame, to_stdout);
      if (frames_ == 0) fail(ErrorKind::bad_data, "stdin: no frame in it");
    } catch (const Error& error) {
      single_ = frames_ == 0;
      if (error.kind() != ErrorKind::bad_data) throw;
      failed(error);
    }
    return report_.finish(to_stdout ? std::cerr : std::cout, "frame", to_stdout ? "stdout" : command_.out, size_,
                          files_);
  }

 private:
  /// With the names on stdin in the place of "-".
  std::vector<std::string> arguments() const {
    std::vector<std::string> all;
    for (const std::string& input : command_.inputs) {
      if (input != "-") {
        all.push_back(input);
        continue;
      }
      const std::vector<std::string> names = read_names(std::cin);
      if (names.empty()) fail(ErrorKind::bad_data, "no image named on stdin");
      all.insert(all.end(), names.begin(), names.end());
    }
    return all;
  }

  /// A single picture ends the run with its own error; others go on.
  void failed(const Error& error) {
    if (single_ || error.kind() == ErrorKind::cannot_write) throw Error(error);
    report_.failed(error.kind(), error.what());
  }

  bool is_complete(const ListedPicture& picture) const {
    return std::ranges::all_of(depth_file_endings(files_), [&](const std::string& ending) {
      std::error_code ignored;
      return fs::is_regular_file(stem_of(picture.name) + ending, ignored);
    });
  }

  std::string stem_of(const std::string& name) const { return (fs::path(command_.out) / name).string(); }

  void predict_file(const ListedPicture& listed) {
    const std::string file = listed.file.string();
    const PictureOptions how{.alpha = command_.alpha, .shorter_side = files_.ply ? 0 : shorter_side_wanted(size_)};
    const Picture picture = read_picture(file, how);
    const double focal_px = focal_of(file, {picture.height, picture.width}, picture.focal_35mm);
    const PictureDepth depth = naming(file, [&] {
      return net_(picture.image, {picture.height, picture.width}, focal_px);
    });
    write(listed.name, picture.image, depth, focal_px);
  }

  void predict_frame(const RgbImage& frame, bool to_stdout) {
    const ListedPicture listed{"stdin", printed("frame_%06d", ++frames_)};
    report_.progress().show("predicting " + listed.name);
    if (!to_stdout && command_.skip_existing && is_complete(listed)) return report_.skipped_one();
    const ImageSize size{frame.height, frame.width};
    const double focal_px = focal_of("stdin", size, 0);
    const PictureDepth depth = naming("stdin: " + listed.name, [&] { return net_(frame, size, focal_px); });
    if (!to_stdout) return write(listed.name, frame, depth, focal_px);
    std::cout << yuv4mpeg_444_frame(coloured(depth, files_)) << std::flush;
    report_.done(listed.name, depth, 0);
  }

  void write(const std::string& name, const RgbImage& picture, const PictureDepth& depth, double focal_px) {
    const OutputFolder folder("--out", fs::path(stem_of(name)).parent_path());
    report_.done(name, depth, write_depth_files(stem_of(name), depth, picture, focal_px, files_));
  }

  /// Pixels of the whole picture; 0: not known.
  double focal_of(const std::string& file, const ImageSize& size, double focal_35mm) {
    if (command_.focal.empty()) return 0;
    if (command_.focal == "exif") {
      if (focal_35mm <= 0)
        fail(ErrorKind::bad_data, file, ": no focal length for 35 mm film in its EXIF; --focal takes pixels");
      return focal_35mm / kFilmWidth_mm * std::max(size.height, size.width);
    }
    const double focal_px = std::stod(command_.focal);
    if (focal_px < size.width / 4.0 && !asked_) {
      asked_ = true;
      report_.warn(cat("--focal ", command_.focal, " is under a quarter of the ", size.width, " pixels that ", file,
                       " is wide: is it in pixels, not millimetres? (--focal exif takes the file's 35 mm value)"));
    }
    return focal_px;
  }

  const PredictCommand& command_;
  const LoadedNet loaded_;
  const DepthFileOptions files_;
  const InputSize size_;
  const PicturePredictor net_;
  PredictReport report_;
  int frames_ = 0;  // of the video, so far
  bool single_ = false, asked_ = false;
};

}  // namespace

Exit predict(const PredictCommand& c) {
  require_sense(c);
  PredictRun run(c);
  return c.stdin_frames.empty() ? run.pictures() : run.frames();
}

}  // namespace md
