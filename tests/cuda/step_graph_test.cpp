// A training step that is repeated as a graph is the step that is launched kernel by kernel, bit for bit, also around
// everything that lies between two steps; and where there can be no graph, the run goes on without, or ends in one
// line.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>

#include "engine/autograd.h"
#include "nets/swin.h"
#include "tests/cuda/doubles.h"
#include "tests/gpu/gpu_training.h"

namespace md::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TrainOptions options_with(bool graph) {
  TrainOptions options = with_metric_depth();
  options.cuda_graph = graph;
  return options;
}

/// What steps made of a network.
struct Made {
  std::vector<double> totals;
  std::vector<std::string> not_finite;
  std::set<std::string> notes;
};

/// The two of Swin's parts of which one draws: its blocks, of which the second drops its branches in half of the steps.
class TwoBlocks : public DepthNet {
 public:
  explicit TwoBlocks(const NetOptions& options) : TwoBlocks(options, init_rng(options)) {}

 private:
  static constexpr i64 kChannels = 16;

  TwoBlocks(const NetOptions& options, std::optional<Rng> rng)
      : DepthNet(options),
        patches_(child<PatchEmbed>("patches", rng, kChannels)),
        blocks_(child<WindowLayer>("layer", rng,
                                   WindowLayer::Options{.block = {.dim = kChannels}, .drop_rates = {0, 0.5}})),
        predict_(child<Conv2d>("predict", rng, kChannels, 1, 1, ConvOptions{.act = {Act::sigmoid}})) {}

  DepthMaps forward_aligned(const Tensor& image, const Tensor& /*focal_px*/,
                            const ForwardContext& context) const override {
    const Tensor tokens = blocks_.forward(patches_.forward(image), {}, context);
    const Tensor depth_m = scale(predict_.forward(tokens), options().max_depth_m);
    return {upsample_bilinear(depth_m, image.dim(1), image.dim(2)), tokens};
  }

  PatchEmbed& patches_;
  WindowLayer& blocks_;
  Conv2d& predict_;
};

/// Steps on batches that differ, from the input queue, as mdtrain makes them.
class Training {
 public:
  Training(const TrainOptions& options, const std::string& net, const Shape& images = {2, 32, 32, 3})
      : Training(options, make_net(net, {.seed = 3}), images) {}
  Training(const TrainOptions& options, std::unique_ptr<DepthNet> net, const Shape& images)
      : images_(images),
        options_(options),
        net_(std::move(net)),
        queue_(backend(kGpu).input_queue({Device::cuda, 0, options.device.precision})) {
    net_->to({Device::cuda, 0, options.device.precision});
    step_.emplace(options_, *net_, 1000);
  }

  /// The next step; `spoil` may change its batch.
  void step(const std::function<void(Batch&)>& spoil = {}) {
    const auto seed = std::uint64_t(10 * done_);
    Batch batch;
    batch.image = random_tensor(images_, seed);
    batch.depth_m = random_tensor({images_[0], images_[1], images_[2]}, seed + 1, 0.5F, 9.F);
    if (spoil) spoil(batch);
    const std::vector<Tensor> here = queue_->push(std::array{batch.image, batch.depth_m});
    batch.image = here[0];
    batch.depth_m = here[1];
    step_->begin(batch, done_++);
    const StepLosses losses = step_->finish();
    made.totals.push_back(losses.total);
    made.not_finite.push_back(losses.not_finite);
    made.notes.insert(losses.notes.begin(), losses.notes.end());
  }
  void steps(int count) {
    for (int k = 0; k < count; ++k) step();
  }

  const TrainOptions& options() const { return options_; }
  DepthNet& net() { return *net_; }
  TrainStep& train() { return *step_; }
  Made made;

 private:
  Shape images_;
  const TrainOptions options_;
  const std::unique_ptr<DepthNet> net_;
  const std::unique_ptr<InputQueue> queue_;
  std::optional<TrainStep> step_;
  i64 done_ = 0;
};

void expect_same(const State& got, const State& want) {
  for (const auto& [name, tensor] : got)
    EXPECT_EQ(std::memcmp(tensor.raw(), want.at(name).raw(), tensor.bytes()), 0) << name;
}

i64 graphs_launched() {
  const auto found = doubles::calls().find("cudaGraphLaunch");
  return found == doubles::calls().end() ? 0 : found->second;
}

/// `scenario` with graphs and without makes the same bits; returns how many graphs it launched.
i64 expect_same_with_and_without(const std::function<std::unique_ptr<Training>(const TrainOptions&)>& make,
                                 const std::function<void(Training&)>& scenario,
                                 TrainOptions options = options_with(true)) {
  const i64 before = graphs_launched();
  const auto with = make(options);
  scenario(*with);
  const i64 after = graphs_launched();
  options.cuda_graph = false;
  const auto without = make(options);
  scenario(*without);
  EXPECT_EQ(graphs_launched(), after);
  EXPECT_EQ(
      std::memcmp(with->made.totals.data(), without->made.totals.data(), with->made.totals.size() * sizeof(double)), 0);
  EXPECT_EQ(with->made.not_finite, without->made.not_finite);
  expect_same(with->net().state(), without->net().state());
  expect_same(with->train().optimizer().state(), without->train().optimizer().state());
  return after - before;
}

std::unique_ptr<Training> lt(const TrainOptions& options) { return std::make_unique<Training>(options, "lt"); }

TEST(StepGraph, EqualsLaunchesAlsoAroundAStepThatIsNotFinite) {
  const i64 launched = expect_same_with_and_without(lt, [](Training& training) {
    training.steps(4);
    training.step([](Batch& batch) { batch.image.data()[17] = kNaN; });
    training.steps(2);
    EXPECT_EQ(training.made.not_finite, (std::vector<std::string>{"", "", "", "", "loss", "", ""}));
    EXPECT_TRUE(training.made.notes.empty());
  });
  EXPECT_EQ(launched, 2 * 5) << "all but the first two steps, two graphs each";
}

/// Where copies of the weights are made in every step.
TEST(StepGraph, EqualsLaunchesInBf16) {
  TrainOptions options = options_with(true);
  options.device.precision = Precision::bf16;
  const i64 launched = expect_same_with_and_without(
      lt,
      [](Training& training) {
        training.steps(4);
        EXPECT_TRUE(training.made.notes.empty());
      },
      options);
  EXPECT_EQ(launched, 2 * 2);
}

TEST(StepGraph, DrawsAnewWhatIsDroppedInEveryStep) {
  const auto two_blocks = [](const TrainOptions& options) {
    return std::make_unique<Training>(options, std::make_unique<TwoBlocks>(NetOptions{.seed = 3}), Shape{1, 32, 32, 3});
  };
  EXPECT_EQ(expect_same_with_and_without(two_blocks, [](Training& training) { training.steps(6); }), 2 * 4);
}

TEST(StepGraph, HasAllPartsOfAStep) {
  TrainOptions options = options_with(true);
  options.accumulate = 2;
  const auto parts = [](const TrainOptions& o) { return std::make_unique<Training>(o, "lt", Shape{4, 32, 32, 3}); };
  const i64 launched = expect_same_with_and_without(
      parts,
      [](Training& training) {
        training.steps(4);
        training.step([](Batch& batch) { batch.measured = {0, 0, 9, 9}; });
        training.steps(4);
      },
      options);
  EXPECT_EQ(launched, 2 * (2 + 2)) << "a step without one of the parts is no graph, and two go before the next";
}

/// An evaluation makes copies of the weights, and what it keeps is not overwritten.
TEST(StepGraph, LeavesWhatLiesBetweenStepsAlone) {
  expect_same_with_and_without(lt, [](Training& training) {
    std::vector<std::pair<Tensor, std::vector<float>>> kept;
    training.steps(2);
    for (int k = 0; k < 3; ++k) {
      training.net().eval();
      {
        const NoGrad off;
        const Tensor depth = training.net().forward(random_tensor({1, 32, 96, 3}, 7, -1, 1, kGpu)).depth_m;
        kept.emplace_back(depth, depth.to_host());
      }
      training.made.totals.push_back(double(kept.back().second[100]));
      for (i64 floats = 1; floats < 1 << 20; floats *= 4) {
        const Tensor mine = Tensor::full({floats}, float(k + 1), kGpu);
        kept.emplace_back(mine, std::vector<float>(std::size_t(floats), float(k + 1)));
      }
      training.step();
    }
    for (const auto& [tensor, numbers] : kept) EXPECT_EQ(tensor.to_host(), numbers) << tensor.shape();
  });
}

TEST(StepGraph, GoesOnFromALoadedState) {
  const i64 launched = expect_same_with_and_without(lt, [](Training& training) {
    training.steps(3);
    const State weights = training.net().state(), moments = training.train().optimizer().state();
    training.steps(1);
    training.net().load(weights);
    training.train().optimizer().load(moments);
    training.steps(1);
  });
  EXPECT_EQ(launched, 2 * 3);
}

TEST(StepGraph, AnAbandonedStepChangesNothing) {
  expect_same_with_and_without(lt, [](Training& training) {
    training.steps(3);
    const Tensor image = random_tensor({2, 32, 64, 3}, 5, -1, 1, kGpu), depth_m = Tensor::full({2, 32, 64}, 2.F, kGpu);
    const State before = training.net().state();
    training.train().begin({.image = image, .depth_m = depth_m, .focal_px = {}, .names = {}}, 3);
    EXPECT_TRUE(training.net().parameters().back().tensor.grad()) << "of a replayed step too";
    training.train().abandon();
    expect_same(training.net().state(), before);
    training.steps(1);
  });
}

TEST(StepGraph, IsNotForTermsThatCarrySomethingAlong) {
  TrainOptions options = options_with(true);
  options.adaptive_thresholds = true;
  EXPECT_EQ(expect_same_with_and_without(
                lt, [](Training& training) { training.steps(4); }, options),
            0);
}

/// A launch costs the host; a graph has two, and some for what changes.
TEST(StepGraph, AsksForLittleElse) {
  Training training(options_with(true), "lt");
  training.steps(3);
  std::map<std::string, i64> before = doubles::calls();
  const i64 waits = doubles::host_waits(), misses = backend(kGpu).pool_stats().misses;
  training.steps(2);
  EXPECT_EQ(doubles::host_waits() - waits, 2);
  EXPECT_EQ(backend(kGpu).pool_stats().misses, misses);
  std::map<std::string, i64> made;
  for (const auto& [call, count] : doubles::calls()) made[call] = count - before[call];
  EXPECT_EQ(made["cudaGraphLaunch"], 2 * 2);
  EXPECT_EQ(made["cudaStreamBeginCapture"], 0);
  EXPECT_LE(made["emulate"], 2 * 2) << "the step's number, and Adam's rates";
  EXPECT_EQ(made["cudnnBackendExecute"], 0);
  EXPECT_EQ(doubles::live().graphs, 2);
  training.train().drop_graph();
  EXPECT_EQ(doubles::live().graphs, 0);
}

/// Nothing is lost: what was written down was not done.
TEST(StepGraph, ACaptureThatFailsIsAStepThatIsLaunched) {
  for (const char* call :
       {"cudaStreamBeginCapture", "emulate", "cudnnBackendExecute", "cudaStreamEndCapture", "cudaGraphInstantiate"}) {
    const i64 launched = expect_same_with_and_without(lt, [&](Training& training) {
      training.steps(2);
      if (training.options().cuda_graph) doubles::fail_call_in_capture(call);
      training.steps(2);
      EXPECT_TRUE(training.made.notes.empty());
    });
    EXPECT_EQ(doubles::failed_call(), call);
    EXPECT_EQ(launched, 2) << "the next capture";
    EXPECT_EQ(doubles::live().graphs, 0);
  }
}

TEST(StepGraph, AfterThreeCapturesThatFailEveryStepIsLaunched) {
  const i64 launched = expect_same_with_and_without(lt, [](Training& training) {
    training.steps(2);
    for (int k = 0; k < 3; ++k) {
      EXPECT_TRUE(training.made.notes.empty());
      if (training.options().cuda_graph) doubles::fail_call_in_capture("cudaGraphInstantiate");
      training.steps(1);
    }
    training.steps(1);
    if (!training.options().cuda_graph) return;
    ASSERT_EQ(training.made.notes.size(), 1U);
    const std::string& note = *training.made.notes.begin();
    EXPECT_TRUE(note.starts_with("no CUDA graph, each kernel is launched by itself: device cuda: ")) << note;
    EXPECT_NE(note.find("cudaGraphInstantiate"), note.npos) << note;
    EXPECT_EQ(note.find('\n'), note.npos) << note;
  });
  EXPECT_EQ(launched, 0);
}

TEST(StepGraph, ALaunchThatFailsEndsInOneLine) {
  Training training(options_with(true), "lt");
  training.steps(3);
  doubles::fail_call("cudaGraphLaunch");
  try {
    training.step();
    ADD_FAILURE() << "it was launched";
  } catch (const Error& error) {
    const std::string said = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::no_device);
    EXPECT_NE(said.find("cudaGraphLaunch"), said.npos) << said;
    EXPECT_EQ(said.find('\n'), said.npos) << said;
  }
  training.train().abandon();
  doubles::fail_call(-1);
}

}  // namespace
}  // namespace md::test
