// mdsynth nyu|kitti --out DIR --frames N --seed S: ray-casts a data set in the layout of NYU Depth V2 or KITTI, with
// list files. The same seed gives the same files, whatever the number of threads.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <vector>

#include "data/image_io.h"
#include "engine/state.h"
#include "tools/cli.h"
#include "tools/synth_render.h"

namespace {

using namespace md;
using namespace md::synth;

struct Options {
  WorldKind kind = WorldKind::room;
  std::string out;
  std::uint64_t frames = 0, test_frames = 0, seed = 0;
  int height = 0, width = 0;

  bool nyu() const { return kind == WorldKind::room; }
  std::string name() const { return nyu() ? "nyu" : "kitti"; }
  /// The focal length of the real cameras at 640 and 1242 columns, scaled with the width.
  double focal_px() const { return nyu() ? 518.8579 * width / 640 : 721.5377 * width / 1242; }
  double depth_units_per_m() const { return nyu() ? 1000 : 256; }
};

struct FrameId {
  std::uint64_t world, frame;
};
struct FramePaths {
  std::string image, depth;  // relative to the data root
};

std::string padded(std::uint64_t number, int digits) {
  std::ostringstream out;
  out << std::setw(digits) << std::setfill('0') << number;
  return out.str();
}

FramePaths paths_of(const Options& o, const FrameId& id) {
  if (o.nyu()) {
    const std::string scene = "scene_" + padded(id.world, 4), frame = padded(id.frame, 5);
    return {scene + "/rgb_" + frame + ".jpg", scene + "/sync_depth_" + frame + ".png"};
  }
  const std::string date = "2000_01_01", frame = padded(id.frame, 10) + ".png";
  const std::string drive = date + "_drive_" + padded(id.world, 4) + "_sync";
  return {date + "/" + drive + "/image_02/data/" + frame, drive + "/proj_depth/groundtruth/image_02/" + frame};
}

std::vector<FrameId> frames_from(std::uint64_t first_world, std::uint64_t count) {
  std::vector<FrameId> ids;
  for (std::uint64_t i = 0; i < count; ++i) ids.push_back({first_world + i / kFramesPerWorld, i % kFramesPerWorld});
  return ids;
}

DepthImage encode(const Options& o, const std::vector<float>& depth_m) {
  DepthImage image{o.height, o.width, {}};
  for (const float d : depth_m) image.pixels.push_back(std::uint16_t(std::lround(d * o.depth_units_per_m())));
  return image;
}

std::string folder_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail(Exit::cannot_write, "--out: cannot make folder ", path, ": ", error.message());
}

/// Renders and writes one frame; returns its depth file's values.
std::vector<std::uint16_t> write_frame(const Options& o, const FrameId& id) {
  const World world = make_world(o.kind, o.seed, id.world);
  const Camera camera{pose_of(world, id.frame), o.height, o.width, o.focal_px()};
  const std::uint64_t noise_key = Rng(o.seed, Purpose::scene, 0xF000, id.world << 20U | id.frame).bits();
  std::vector<float> depth_m = render_depth(world.scene, camera);
  o.nyu() ? keep_structured_light(world.scene, camera, noise_key, 0.01, depth_m)
          : keep_lidar_lines(camera, noise_key, depth_m);
  const RgbImage colour{o.height, o.width, render_colour(world.scene, camera)};
  const FramePaths paths = paths_of(o, id);
  const std::string image = o.out + "/" + paths.image, depth = o.out + "/" + paths.depth;
  make_folder(folder_of(image));
  make_folder(folder_of(depth));
  o.nyu() ? write_jpeg(image, colour) : write_png(image, colour);
  DepthImage encoded = encode(o, depth_m);
  write_png(depth, encoded);
  return std::move(encoded.pixels);
}

/// Counts of depth values: the median does not depend on the order in which threads finish.
class DepthHistogram {
 public:
  void add(const std::vector<std::uint16_t>& values) {
    for (const std::uint16_t v : values) ++counts_[v];
  }
  double median() const {  // of the measured values
    std::uint64_t total = 0, seen = 0;
    for (std::size_t v = 1; v < counts_.size(); ++v) total += counts_[v];
    std::size_t v = 0;
    while (v + 1 < counts_.size() && 2 * seen < total) seen += counts_[++v];
    return double(v);
  }

 private:
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(65536);
};

DepthHistogram write_frames(const Options& o, const std::vector<FrameId>& ids) {
  DepthHistogram histogram;
  std::exception_ptr error;  // an exception must not leave a parallel region
  ProgressLine progress;
  std::size_t done = 0;
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::exception_ptr mine;
    std::vector<std::uint16_t> depth;
    try {
      depth = write_frame(o, ids[i]);
    } catch (...) {
      mine = std::current_exception();
    }
#pragma omp critical
    {
      if (mine) error = mine;
      histogram.add(depth);
      progress.show(cat("frame ", ++done, " of ", ids.size()));
    }
  }
  if (error) std::rethrow_exception(error);
  return histogram;
}

/// One list and its frames; prints what a constant prediction for it would be.
void write_split(const Options& o, const std::string& split, const std::vector<FrameId>& ids) {
  if (ids.empty()) return;
  const DepthHistogram histogram = write_frames(o, ids);
  std::ostringstream list;
  list << std::fixed << std::setprecision(4);
  for (const FrameId& id : ids) {
    const auto [image, depth] = paths_of(o, id);
    list << image << ' ' << depth << ' ' << o.focal_px() << '\n';
  }
  const std::string path = o.out + "/" + o.name() + "_" + split + ".txt";
  write_file_durably(path, list.str());
  std::cout << path << ": " << ids.size() << " frames of " << ids.back().world - ids.front().world + 1
            << " scenes, median depth " << histogram.median() / o.depth_units_per_m() << " m\n";
}

Exit synthesise(const Options& o) {
  make_folder(o.out);
  const std::uint64_t train_worlds = (o.frames + kFramesPerWorld - 1) / kFramesPerWorld;
  write_split(o, "train", frames_from(1, o.frames));
  write_split(o, "test", frames_from(1 + train_worlds, o.test_frames));
  return Exit::ok;
}

/// nyu and kitti differ in their defaults only. A LiDAR needs 64 rows for its lines.
void add_kind(CLI::App& app, Options& options, WorldKind kind, const Options& defaults) {
  const bool nyu = kind == WorldKind::room;
  CLI::App* sub = app.add_subcommand(nyu ? "nyu" : "kitti", nyu ? "furnished rooms, dense depth with holes, <= 10 m"
                                                                : "streets, depth along LiDAR lines, <= 80 m");
  sub->preparse_callback([&options, defaults](std::size_t) { options = defaults; });
  sub->add_option("--out", options.out, "folder to write")->required();
  sub->add_option("--frames", options.frames, "training frames")->required()->check(CLI::Range(1, 1000000));
  sub->add_option("--test-frames", options.test_frames, "test frames, of other scenes")->check(CLI::Range(0, 1000000));
  sub->add_option("--seed", options.seed, "equal seeds give equal files");
  sub->add_option("--height", options.height, "rows")->check(CLI::Range(nyu ? 32 : 64, 4096));
  sub->add_option("--width", options.width, "columns; the focal length scales with them")->check(CLI::Range(32, 4096));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Ray-casts a small data set with exact depth, in the layout of NYU Depth V2 or KITTI.", "mdsynth"};
  app.require_subcommand(1);
  Options options;
  add_kind(app, options, WorldKind::room, {.kind = WorldKind::room, .out = {}, .height = 480, .width = 640});
  add_kind(app, options, WorldKind::street, {.kind = WorldKind::street, .out = {}, .height = 375, .width = 1242});
  return run_main(app, argc, argv, [&options] { return synthesise(options); });
}
