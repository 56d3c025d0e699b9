// Tickets of the prefetcher are steps (training) or frames (evaluation); everything random is keyed by them.
#include "data/loader.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>

#include "data/prefetch.h"
#include "engine/check.h"

namespace md {
namespace {

/// The order of an epoch, a Fisher-Yates shuffle keyed by (seed, epoch). Any thread; remembers two epochs, because the
/// workers are in the next one while the last batches of this one are under way.
class EpochOrder {
 public:
  using Order = std::shared_ptr<const std::vector<i64>>;

  EpochOrder(std::vector<i64> frames, std::uint64_t seed) : frames_(std::move(frames)), seed_(seed) {}

  Order of(i64 epoch) {
    const std::lock_guard lock(mutex_);
    Known& known = known_[std::size_t(epoch % 2)];
    if (known.epoch != epoch) known = {epoch, std::make_shared<const std::vector<i64>>(shuffled(epoch))};
    return known.order;
  }

 private:
  std::vector<i64> shuffled(i64 epoch) const {
    std::vector<i64> order = frames_;
    Rng rng(seed_, Purpose::shuffle, std::uint64_t(epoch));
    for (i64 i = i64(order.size()) - 1; i > 0; --i)
      std::swap(order[std::size_t(i)], order[std::size_t(rng.integer(0, i))]);
    return order;
  }

  struct Known {
    i64 epoch = -1;
    Order order;
  };
  const std::vector<i64> frames_;
  const std::uint64_t seed_;
  std::mutex mutex_;
  std::array<Known, 2> known_;
};

i64 checked_steps(const Dataset& data, const TrainLoaderSpec& spec) {
  MD_CHECK(spec.threads >= 1 && spec.ahead >= 1, "loader: ", spec.threads, " threads, ", spec.ahead, " batches ahead");
  return steps_per_epoch(data, spec.batch);
}

/// Of a batch, that this loader fills.
int samples_of(const TrainLoaderSpec& spec) { return spec.places.empty() ? spec.batch : int(spec.places.size()); }

/// All memory that training data will ever take.
std::vector<Batch> make_slots(const AugmentSpec& augmentation, const TrainLoaderSpec& spec) {
  std::vector<Batch> slots(std::size_t(spec.ahead) + 1);
  const int samples = samples_of(spec);
  for (Batch& batch : slots) {
    batch.image = Tensor::empty({samples, augmentation.height, augmentation.width, 3});
    batch.depth_m = Tensor::empty({samples, augmentation.height, augmentation.width});
    batch.focal_px = Tensor::empty({samples});
    batch.names.resize(std::size_t(samples));
    batch.measured.resize(std::size_t(samples));
  }
  return slots;
}

/// False for what is wrong with the machine or the program, which another frame does not mend.
bool is_of_the_frame(const Error& error) {
  return error.kind() == ErrorKind::bad_data || error.kind() == ErrorKind::missing;
}

}  // namespace

struct TrainLoader::Impl {
  Impl(const Dataset& d, const AugmentSpec& a, const TrainLoaderSpec& s)
      : data(d),
        augmentation(a),
        spec(s),
        steps(checked_steps(d, s)),
        order(d.with_depth(), s.seed),
        slots(make_slots(a, s)),
        bad(slots.size(), BadPlaces(std::size_t(samples_of(s)))),
        prefetcher({.threads = s.threads,
                    .slots = s.ahead + 1,
                    .parts = samples_of(s),
                    .first = s.first_epoch * steps + s.first_step},
                   [this](i64 ticket, int part, int slot) { fill(ticket, part, slot); }) {}

  /// Row `part` of a batch; the rows are disjoint memory.
  void fill(i64 ticket, int part, int slot) {
    std::optional<BadFrame>& of_place = bad[std::size_t(slot)][std::size_t(part)];
    of_place.reset();
    const int place = spec.places.empty() ? part : spec.places[std::size_t(part)];
    for (i64 tried = 0;; ++tried) {
      const i64 epoch = ticket / steps, index = frame_at(epoch, ticket % steps * spec.batch + place, tried);
      try {
        put(index, epoch, part, slots[std::size_t(slot)]);
        if (of_place) of_place->replacement = data.entries()[std::size_t(index)].image;
        return;
      } catch (const Error& error) {
        if (!is_of_the_frame(error) || spec.most_bad == 0) throw;
        if (!of_place)
          of_place = {.name = data.entries()[std::size_t(index)].image, .why = error.what(), .kind = error.kind()};
      }
      if (tried >= spec.most_bad)
        fail(of_place->kind, tried + 1, " frames one after the other cannot be used, the first: ", of_place->why);
    }
  }

  /// The frame for a place of an epoch after so many have been tried for it.
  i64 frame_at(i64 epoch, i64 place, i64 tried) {
    const EpochOrder::Order frames = order.of(epoch);
    const auto all = i64(frames->size()), beyond = tried == 0 ? 0 : all / 2 + tried - 1;
    return (*frames)[std::size_t((place + beyond) % all)];
  }

  void put(i64 index, i64 epoch, int part, Batch& batch) const {
    const Sample sample = data.load_training(index);
    RngDraws draws(spec.seed, epoch, index);
    const i64 pixels = i64(augmentation.height) * augmentation.width;
    float* const depth_m = batch.depth_m.data() + part * pixels;
    augment(sample, augmentation, draws, batch.image.data() + part * pixels * 3, depth_m);
    batch.focal_px.data()[part] = float(sample.focal_px);
    batch.names[std::size_t(part)] = sample.image_name;
    batch.measured[std::size_t(part)] =
        std::count_if(depth_m, depth_m + pixels, [this](float d) { return d > spec.counts_above_m; });
  }

  const Dataset& data;
  const AugmentSpec augmentation;
  const TrainLoaderSpec spec;
  const i64 steps;
  EpochOrder order;
  std::vector<Batch> slots;
  using BadPlaces = std::vector<std::optional<BadFrame>>;
  std::vector<BadPlaces> bad;  // of each slot, place by place
  Prefetcher prefetcher;       // last: its threads use all of the above
};

TrainLoader::TrainLoader(const Dataset& data, const AugmentSpec& augmentation, const TrainLoaderSpec& spec)
    : impl_(std::make_unique<Impl>(data, augmentation, spec)) {}
TrainLoader::~TrainLoader() = default;

i64 steps_per_epoch(const Dataset& data, i64 batch) {
  const auto frames = i64(data.with_depth().size());
  if (frames == 0) fail(ErrorKind::bad_data, data.spec().list, ": not one frame has ground truth");
  if (batch < 1) fail(ErrorKind::usage, batch, " samples a step: wanted is at least 1");
  if (frames < batch)
    fail(ErrorKind::usage, batch, " samples a step, and ", data.spec().list, " has ", frames,
         " frames with ground truth");
  return frames / batch;
}

i64 TrainLoader::steps_per_epoch() const { return impl_->steps; }
double TrainLoader::waited_s() const { return impl_->prefetcher.waited_s(); }

const Batch& TrainLoader::next() {
  const auto slot = std::size_t(impl_->prefetcher.next());
  Batch& batch = impl_->slots[slot];
  batch.bad.clear();
  for (const std::optional<BadFrame>& bad : impl_->bad[slot]) {
    if (bad) batch.bad.push_back(*bad);
  }
  batch.epoch = impl_->prefetcher.ticket() / impl_->steps;
  batch.step = impl_->prefetcher.ticket() % impl_->steps;
  for (const Tensor* t : {&batch.image, &batch.depth_m, &batch.focal_px}) t->bump_version();
  return batch;
}

EvalFrame load_eval_frame(const Dataset& data, i64 index, bool use_kb_crop) {
  EvalFrame frame;
  frame.index = index;
  frame.sample = data.load(index);
  const RgbImage& image = frame.sample.image;
  frame.crop = use_kb_crop ? kb_crop(frame.sample) : EvalCrop{0, 0, image.height, image.width};
  frame.image = Tensor::empty({1, frame.crop.height, frame.crop.width, 3});
  normalise(image, frame.crop, frame.image.data());
  return frame;
}

struct EvalLoader::Impl {
  Impl(const Dataset& d, const EvalLoaderSpec& s)
      : data(d),
        use_kb_crop(s.kb_crop),
        slots(std::size_t(std::max(s.ahead, 1)) + 1),
        prefetcher({.threads = s.threads,
                    .slots = std::max(s.ahead, 1) + 1,
                    .end = std::max(i64(0), d.size() - s.first + s.every - 1) / s.every},
                   [this, s](i64 ticket, int, int slot) {
                     slots[std::size_t(slot)] = load_eval_frame(data, s.first + ticket * s.every, use_kb_crop);
                   }) {}

  const Dataset& data;
  const bool use_kb_crop;
  std::vector<EvalFrame> slots;
  Prefetcher prefetcher;  // last: its threads use all of the above
};

EvalLoader::EvalLoader(const Dataset& data, const EvalLoaderSpec& spec) : impl_(std::make_unique<Impl>(data, spec)) {}
EvalLoader::~EvalLoader() = default;

const EvalFrame* EvalLoader::next() {
  const int slot = impl_->prefetcher.next();
  return slot < 0 ? nullptr : &impl_->slots[std::size_t(slot)];
}

}  // namespace md
