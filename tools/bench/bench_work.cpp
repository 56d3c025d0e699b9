// The same sizes and settings as in tools/bench/peer_*.py.
#include "tools/bench/bench_work.h"

#include <memory>

#include "engine/autograd.h"
#include "engine/rng.h"
#include "layers/modules.h"
#include "losses/metric_depth.h"
#include "tools/bench/bench_data.h"
#include "tools/bench/bench_steps.h"

namespace md {
namespace {

/// Uniform in [low, high), and 0 where nothing was measured.
Tensor random(const Shape& shape, std::uint64_t seed, double low, double high, Device device, double measured = 1) {
  Rng rng(seed, Purpose::test);
  std::vector<float> x(std::size_t(shape.numel()));
  for (float& v : x) {
    v = float(rng.uniform(low, high));
    if (rng.uniform() >= measured) v = 0.F;
  }
  return Tensor::from_host(x, shape, device);
}

Work on_random(const BenchStep& step, const Shape& images, Device device) {
  const Tensor image = random(images, 1, -2, 2, device);
  const Tensor target_m = random({images[0], images[1], images[2]}, 2, 0, 10, device);
  return {[=] { step.run(image, target_m); }, step.update, step.update_bytes};
}

/// A network's training step on a batch [N,H,W,3].
Benchmark training(const std::string& name, const std::string& what, BenchStep (*step)(Device), const Shape& images,
                   std::vector<Target> targets, const std::string& official) {
  return {.name = name,
          .what = what,
          .prepare = [=](Device device) { return on_random(step(device), images, device); },
          .targets = std::move(targets),
          .official = official,
          .has_ops = true};
}

/// A network's inference on images of the ONNX files' size, as mdeval and load_trained_net have it.
Benchmark inference(const std::string& name, const std::string& what, const std::string& net_name, i64 batch,
                    std::vector<Target> targets, const std::string& official) {
  const Shape images{batch, 480, 640, 3};
  const auto prepare = [=](Device device) -> Work {
    const auto net = bench_net(Device{}, net_name);
    net->eval();
    fold_batch_norms(*net);
    net->to(device);
    const Tensor image = random(images, 1, -2, 2, device);
    return {[=] {
      const NoGrad off;
      net->forward(image);
    }};
  };
  return {.name = name,
          .what = what,
          .prepare = prepare,
          .targets = std::move(targets),
          .official = official,
          .exported = net_name,
          .images = images,
          .has_ops = batch == 1};
}

struct MetricDepthInput {
  Shape features;
  double max_depth_m, measured;  // depth uniform, this part of the pixels measured
  std::vector<MetricDepthPairs::Range> ranges;
};

Work metric_depth_step(const MetricDepthInput& in, Device device) {
  const Shape& s = in.features;
  const Tensor features = random(s, 1, -2, 2, device).requires_grad_();
  const Tensor depth_m = random({s[0], s[1], s[2]}, 2, 0, in.max_depth_m, device, in.measured);
  const MetricDepthOptions options{.ranges = in.ranges};
  const auto shifts = draw_shifts(options, 0, 0, s[0], s[1], s[2]).list;
  return {[=] {
    features.zero_grad();
    metric_depth(features, depth_m, shifts, options).backward();
  }};
}

}  // namespace

const std::vector<Benchmark>& benchmarks() {
  static const std::vector<MetricDepthPairs::Range> kitti = {{1.F, 5.F, 2.F}, {5.F, 10.F, 3.F}, {10.F, 15.F, 3.5F}};
  constexpr const char *f32 = "f32", *bf16 = "bf16";
  static const std::vector<Benchmark> all = {
      training("lt_train", "LT training step, 4x416x544", lt_step, {4, 416, 544, 3},
               {{f32, 0.47, 0.5}, {bf16, 0.33, 0, true}}, ""),
      inference("lt_infer", "LT inference, 1x480x640", "lt", 1, {{f32, 0.8}, {bf16, 0.85}}, ""),
      inference("lt_infer_b8", "LT inference, 8x480x640", "lt", 8, {}, ""),
      training("bts_train", "BTS training step, 2x416x544", bts_step, {2, 416, 544, 3}, {{f32, 0.55, 0.6}, {bf16, 0.8}},
               "bts"),
      inference("bts_infer", "BTS inference, 1x480x640", "bts", 1, {{f32, 0.8}, {bf16, 0.85}}, "bts"),
      training("newcrfs_train", "NeWCRFs tiny07 training step, 1x480x640", newcrfs_step, {1, 480, 640, 3},
               {{f32, 0.62, 0.6}, {bf16, 0.8}}, "newcrfs"),
      inference("newcrfs_infer", "NeWCRFs large07 inference, 1x480x640", "newcrfs_large07", 1,
                {{f32, 0.68}, {bf16, 0.75}}, "newcrfs"),
      {"metric_depth",
       "MetricDepth and its gradient, 4x208x272x32, uniform depth",
       [](Device device) {
         return metric_depth_step({{4, 208, 272, 32}, 10, 1, MetricDepthOptions().ranges}, device);
       },
       {{f32, 1. / 40}}},
      {"metric_depth_sparse",
       "MetricDepth and its gradient, 4x176x352x32, 5 % measured",
       [](Device device) {
         return metric_depth_step({{4, 176, 352, 32}, 80, 0.05, kitti}, device);
       },
       {{f32, 1. / 150}}},
      {.name = "startup_train",
       .what = "start of mdtrain to its first loss, LT 4x416x544",
       .targets = {{f32, 0.5}},
       .start = time_first_loss,
       .cpu_only = true},
      {.name = "startup_predict",
       .what = "start of mdeval predict to its first file, LT 480x640",
       .targets = {{f32, 0.5}},
       .start = time_first_file,
       .cpu_only = true},
      {.name = "augment",
       .what = "augmentation of 8 decoded frames, 640x480 to 416x544, on one core",
       .prepare = [](Device) { return Work{augment_frames()}; },
       .cpu_only = true},
  };
  return all;
}

}  // namespace md
