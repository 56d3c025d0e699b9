#include "tools/bench/bench_data.h"

#include <memory>
#include <vector>

#include "data/loader.h"
#include "tools/bench/bench_frames.h"
#include "tools/bench/bench_steps.h"
#include "tools/bench/timing.h"
#include "tools/cli/clock.h"

namespace md {
namespace {

constexpr AugmentSpec kBts;  // on NYU
Batch copy_of(Batch batch) {
  for (Tensor* t : {&batch.image, &batch.depth_m, &batch.focal_px}) *t = t->clone();
  return batch;
}

}  // namespace

std::function<void()> augment_frames() {
  const RenderedFrames frames_on_disk;
  const Dataset data = frames_on_disk.open();
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
  const RenderedFrames frames_on_disk;
  const Dataset data = frames_on_disk.open();
  const auto train = lt_step(Device{});
  const auto step = [&](const Batch& batch) { train.run(batch.image, batch.depth_m); };
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
