// Frames are rendered (tools/synth/synth_dataset.h), so that JPEGs and depth are of the size and kind that real ones
// are.
#include "tools/bench/bench_data.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "data/loader.h"
#include "tools/bench/bench_steps.h"
#include "tools/bench/timing.h"
#include "tools/cli/clock.h"
#include "tools/synth/synth_dataset.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr AugmentSpec kBts;  // on NYU
constexpr int kFrames = 8;

/// Rendered frames in a temporary folder.
class RenderedSet {
 public:
  RenderedSet() : folder_(fs::temp_directory_path() / cat("mdbench-", getpid())) {
    fs::create_directory(folder_);
    try {
      const synth::SetSpec set{.out = folder_.string(), .train_frames = kFrames, .seed = 1};
      list_ = synth::write_split(set, synth::Split::train).list;
    } catch (...) {  // no destructor will run
      fs::remove_all(folder_);
      throw;
    }
  }
  ~RenderedSet() { fs::remove_all(folder_); }
  RenderedSet(const RenderedSet&) = delete;
  RenderedSet& operator=(const RenderedSet&) = delete;
  Dataset open() const { return Dataset({.dataset = "nyu", .list = list_, .root = folder_.string()}); }

 private:
  fs::path folder_;
  std::string list_;
};

Batch copy_of(Batch batch) {
  for (Tensor* t : {&batch.image, &batch.depth_m, &batch.focal_px}) *t = t->clone();
  return batch;
}

}  // namespace

std::function<void()> augment_frames() {
  const RenderedSet set;
  const Dataset data = set.open();
  const auto frames = std::make_shared<std::vector<Sample>>();
  for (i64 i = 0; i < data.size(); ++i) frames->push_back(data.load(i));
  const Tensor image = Tensor::empty({kBts.height, kBts.width, 3}), depth_m = Tensor::empty({kBts.height, kBts.width});
  const auto epoch = std::make_shared<i64>(0);
  return [=] {
    ++*epoch;
    for (std::size_t i = 0; i < frames->size(); ++i) {
      RngDraws draws(1, *epoch, i64(i));
      augment((*frames)[i], kBts, draws, image.data(), depth_m.data());
    }
  };
}

DataTimes time_data(double at_least_s) {
  const RenderedSet set;
  const Dataset data = set.open();
  const auto train = lt_step(Device{});
  const auto step = [&](const Batch& batch) { train(batch.image, batch.depth_m); };
  DataTimes times;
  Batch last;
  {
    TrainLoader loader(data, kBts, {.batch = 4, .threads = 2, .seed = 1});
    for (int warm_up = 0; warm_up < 2; ++warm_up) step(loader.next());
    const double begin_s = now_s(), waited_before_s = loader.waited_s();
    int steps = 0;
    do {
      step(loader.next());
      ++steps;
    } while (now_s() - begin_s < at_least_s || steps < 3);
    times.step_s = (now_s() - begin_s) / steps;
    times.waited_s = (loader.waited_s() - waited_before_s) / steps;
    last = copy_of(loader.next());
  }
  times.from_memory_s = median_s(at_least_s, [&] { step(last); });
  return times;
}

}  // namespace md
