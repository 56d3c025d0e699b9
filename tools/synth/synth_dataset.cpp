// Names, numbers and formats as the real data sets have them; frames are rendered in parallel.
#include "tools/synth/synth_dataset.h"

#include <atomic>
#include <cmath>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "data/datasets.h"
#include "data/depth_histogram.h"
#include "data/image_io.h"
#include "engine/durable_file.h"
#include "tools/cli/cli.h"
#include "tools/cli/progress.h"
#include "tools/synth/synth_exposure.h"
#include "tools/synth/synth_kinect.h"
#include "tools/synth/synth_path.h"
#include "tools/synth/synth_render.h"

namespace md::synth {
namespace {

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

FramePaths paths_of(const SetSpec& set, const FrameId& id) {
  if (!set.layout->drives) {
    const std::string scene = (set.layout->video ? "video_" : "scene_") + padded(id.world, 4);
    const std::string frame = padded(id.frame, 5);
    return {scene + "/rgb_" + frame + ".jpg", scene + "/sync_depth_" + frame + ".png"};
  }
  const std::string date = "2000_01_01", frame = padded(id.frame, 10) + ".png";
  const std::string drive = date + "_drive_" + padded(id.world, 4) + "_sync";
  return {date + "/" + drive + "/image_02/data/" + frame, drive + "/proj_depth/groundtruth/image_02/" + frame};
}

std::uint64_t worlds_for(const SetSpec& set, std::uint64_t frames) {
  return set.layout->video ? 1 : (frames + kFramesPerWorld - 1) / kFramesPerWorld;
}

/// The test list's worlds come after the training list's.
std::vector<FrameId> frames_of(const SetSpec& set, Split split) {
  const bool train = split == Split::train;
  const std::uint64_t first_world = train ? 1 : 1 + worlds_for(set, set.train_frames);
  std::vector<FrameId> ids;
  for (std::uint64_t i = 0; i < (train ? set.train_frames : set.test_frames); ++i) {
    if (set.layout->video) {
      ids.push_back({set.room, i});
    } else {
      ids.push_back({first_world + i / kFramesPerWorld, i % kFramesPerWorld});
    }
  }
  return ids;
}

/// What is farther than 16 bits can say is 0, as the sky is.
DepthImage encode(const SetSpec& set, const std::vector<float>& depth_m) {
  DepthImage image{set.height, set.width, {}};
  const float units = dataset_traits(set.layout->dataset).units_per_m;
  constexpr float kMost = std::numeric_limits<std::uint16_t>::max();
  for (const float d : depth_m) image.pixels.push_back(d * units < kMost ? std::uint16_t(std::lround(d * units)) : 0);
  return image;
}

void make_folder_of(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::cannot_write, "--out: cannot make folder ", folder.string(), ": ", error.message());
}

struct Frame {
  RgbImage colour;
  DepthImage depth;
};

/// What the draws of a frame are for (Rng's first key); synth_worlds.cpp and synth_path.cpp have the numbers below.
enum Key : std::uint64_t { kNoise = 0xF000, kExposure };

/// Numbers that a frame draws for one purpose.
Rng rng_of(const SetSpec& set, const FrameId& id, Key key) {
  return {set.seed, Purpose::scene, key, id.world << 20U | id.frame};
}

/// Where the camera is while the shutter is open: at equal times, the middle of which is the frame's own time.
class Shutter {
 public:
  Shutter(const SetSpec& set, const World& world, const FrameId& id) : set_(set), frame_(id.frame) {
    if (set.layout->video) {
      walk_.emplace(world);
    } else {
      pose_ = pose_of(world, id.frame);
      motion_ = motion_of(world, id.frame);
    }
  }
  Camera at(double later_s) const {
    const double time_s = double(frame_) / set_.frames_a_second + later_s;
    const Pose pose = walk_ ? walk_->at(time_s) : later_s == 0 ? pose_ : moved(pose_, motion_, later_s);
    return {pose, set_.height, set_.width, set_.focal_px()};
  }
  std::vector<Camera> while_open() const {
    constexpr int kPlaces = 12;
    if (set_.shutter_s == 0) return {at(0)};
    std::vector<Camera> cameras;
    for (int i = 0; i < kPlaces; ++i) cameras.push_back(at(set_.shutter_s * ((i + 0.5) / kPlaces - 0.5)));
    return cameras;
  }

 private:
  const SetSpec& set_;
  std::uint64_t frame_;
  std::optional<Walk> walk_;
  Pose pose_ = {};
  Motion motion_ = {};
};

/// By how much the automatic exposure errs, in stops: each frame by itself, a video drifting.
double exposure_error_stops(const SetSpec& set, const FrameId& id) {
  if (!set.layout->video) return *set.exposure_error_stops * rng_of(set, id, kExposure).uniform(-1, 1);
  const std::uint32_t key = rng_of(set, {id.world, 0}, kExposure).bits();
  return *set.exposure_error_stops * (2 * value_noise(key, double(id.frame) / set.frames_a_second, 0) - 1);
}

RgbImage expose_frame(const SetSpec& set, const FrameId& id, const Scene& scene, const Shutter& shutter) {
  std::vector<Vec3> light = render_light(scene, shutter.while_open());
  if (set.exposure_error_stops) expose(light, automatic_gain(light) * std::exp2(exposure_error_stops(set, id)));
  return {set.height, set.width, srgb_bytes(light)};
}

Frame render(const SetSpec& set, const FrameId& id) {
  const World world = make_world(set.layout->world, set.seed, id.world, set.detail);
  const Shutter shutter(set, world, id);
  const Camera camera = shutter.at(0);
  const std::uint64_t noise_key = rng_of(set, id, kNoise).bits();
  std::vector<float> depth_m = render_depth(world.scene, camera);
  switch (set.sensor) {
    case Sensor::none:
      break;
    case Sensor::holes:
      keep_structured_light(world.scene, camera, noise_key, 0.01, depth_m);
      break;
    case Sensor::kinect:
      measure_as_kinect(world.scene, camera, noise_key, depth_m);
      break;
    case Sensor::lidar:
      keep_lidar_lines(camera, noise_key, depth_m);
      break;
  }
  return {expose_frame(set, id, world.scene, shutter), encode(set, depth_m)};
}

/// Returns the depth file's values.
std::vector<std::uint16_t> write_frame(const SetSpec& set, const FrameId& id) {
  Frame frame = render(set, id);
  const FramePaths paths = paths_of(set, id);
  const std::string image = set.out + "/" + paths.image, depth = set.out + "/" + paths.depth;
  make_folder_of(image);
  make_folder_of(depth);
  if (set.layout->drives) {
    write_png(image, frame.colour);
  } else {
    write_jpeg(image, frame.colour);
  }
  write_png(depth, frame.depth);
  return std::move(frame.depth.pixels);
}

/// The values written: what is said of them does not depend on the order in which threads finish.
DepthHistogram write_frames(const SetSpec& set, const std::vector<FrameId>& ids) {
  DepthHistogram histogram;
  std::exception_ptr error;  // an exception must not leave a parallel region
  ProgressLine progress;
  std::size_t done = 0;
  std::atomic<bool> failed = false;
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (failed) continue;  // there is no leaving a parallel loop
    std::exception_ptr mine;
    std::vector<std::uint16_t> depth;
    try {
      depth = write_frame(set, ids[i]);
    } catch (...) {
      mine = std::current_exception();
      failed = true;
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

}  // namespace

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      {.name = "nyu",
       .dataset = "nyu",
       .help = "furnished rooms, dense depth with holes, <= 10 m",
       .world = WorldKind::room,
       .drives = false,
       .height = 480,
       .width = 640,
       .focal_px = 518.8579,
       .sensors = {{"holes", Sensor::holes}, {"kinect", Sensor::kinect}, {"none", Sensor::none}}},
      {.name = "kitti",
       .dataset = "kitti",
       .help = "streets, depth along LiDAR lines, <= 80 m",
       .world = WorldKind::street,
       .drives = true,
       .height = 375,
       .width = 1242,
       .focal_px = 721.5377,
       .sensors = {{"lidar", Sensor::lidar}, {"none", Sensor::none}},
       .least_height = 64},  // a LiDAR needs them for its lines
      {.name = "video",
       .dataset = "nyu",
       .help = "a walk through one room, frame by frame, exact depth",
       .world = WorldKind::room,
       .drives = false,
       .height = 480,
       .width = 640,
       .focal_px = 518.8579,
       .sensors = {{"none", Sensor::none}, {"holes", Sensor::holes}, {"kinect", Sensor::kinect}},
       .video = true},
  };
  return all;
}

WrittenSplit write_split(const SetSpec& set, Split split) {
  const std::vector<FrameId> ids = frames_of(set, split);
  const DepthHistogram histogram = write_frames(set, ids);
  std::ostringstream list;
  list << std::fixed << std::setprecision(4);
  for (const FrameId& id : ids) {
    const auto [image, depth] = paths_of(set, id);
    list << image << ' ' << depth << ' ' << set.focal_px() << '\n';
  }
  const std::string which = set.layout->video ? ".txt" : split == Split::train ? "_train.txt" : "_test.txt";
  const std::string path = set.out + "/" + set.layout->name + which;
  write_file_durably(path, list.str());
  return {path, ids.size(), worlds_for(set, ids.size()),
          double(histogram.median()) / double(dataset_traits(set.layout->dataset).units_per_m)};
}

}  // namespace md::synth
