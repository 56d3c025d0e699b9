// Steps are real ones: forward, losses, backward, update, as TrainStep makes them.
#include "tools/train/first_run.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "data/dataset.h"
#include "engine/printed.h"
#include "engine/rng.h"
#include "nets/registry.h"
#include "tools/cli/clock.h"
#include "tools/cli/flag_in_error.h"
#include "tools/train/epoch_lines.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

namespace fs = std::filesystem;

constexpr int kMostSteps = 3;
constexpr double kLongEnough_s = 20;
constexpr i64 kLogBytesAStep = 500;  // of a line of metrics.jsonl and a record for TensorBoard
constexpr double kGb = 1e9, kMb = 1e6;

/// Random images, and depth from near to half of what the network can predict.
Batch random_batch(const TrainOptions& o) {
  const i64 n = i64(o.batch) * o.accumulate, h = o.augment.height, w = o.augment.width;
  Batch batch{.image = Tensor::empty({n, h, w, 3}),
              .depth_m = Tensor::empty({n, h, w}),
              .focal_px = Tensor::full({n}, 500),
              .names = {}};
  Rng rng(0, Purpose::augment, 0, 0);
  for (i64 i = 0; i < batch.image.numel(); ++i) batch.image.data()[i] = float(rng.uniform()) - 0.5F;
  for (i64 i = 0; i < batch.depth_m.numel(); ++i)
    batch.depth_m.data()[i] = o.silog.min_depth_m + 0.1F + 0.5F * o.net_options.max_depth_m * float(rng.uniform());
  batch.measured.assign(std::size_t(n), h * w);
  return batch;
}

i64 bytes_of(const std::vector<Module::Entry>& entries) {
  i64 bytes = 0;
  for (const Module::Entry& entry : entries) bytes += i64(entry.tensor.bytes());
  return bytes;
}

/// Frames and steps of the schedule, from the list where there is one.
void count_steps(const TrainOptions& o, RunNeeds& needs) {
  if (o.data.root.empty() || o.list.empty()) return;
  const Dataset data(dataset_spec(o.data, o.list));
  needs.frames = i64(data.with_depth().size());
  const i64 an_epoch =
      with_flag("--batch", ErrorKind::usage, [&] { return steps_per_epoch(data, i64(o.batch) * o.accumulate); });
  needs.steps = o.max_steps > 0 ? o.max_steps : an_epoch * o.epochs;
}

/// Returns the bytes of tensors that stay from step to step.
i64 measure_steps(const TrainOptions& o, Device device, DepthNet& net, RunNeeds& needs) {
  TrainStep step(o, net, std::max<i64>(needs.steps, kMostSteps));
  Batch batch = random_batch(o);
  for (Tensor* const each : {&batch.image, &batch.depth_m, &batch.focal_px}) *each = each->to(device);
  const double begin_s = now_s();
  for (int i = 0; i < kMostSteps && now_s() - begin_s < kLongEnough_s; ++i) {
    const double step_begin_s = now_s();
    step.begin(batch, i);
    step.finish();
    const double seconds = now_s() - step_begin_s;
    needs.step_s = i == 0 ? seconds : std::min(needs.step_s, seconds);
  }
  needs.tensor_bytes = backend(device).pool_stats().bytes_peak;
  return backend(device).pool_stats().bytes_in_use;
}

std::string free_space(const std::string& run) {
  fs::path folder = run.empty() ? fs::path(".") : fs::absolute(run);
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  return error ? "" : printed("; %.0f GB free in %s", double(space.available) / kGb, folder.c_str());
}

}  // namespace

RunNeeds measure_needs(TrainOptions o) {
  RunNeeds needs;
  count_steps(o, needs);
  for (std::string* const place : {&o.data.root, &o.list, &o.out}) {
    if (place->empty()) *place = "none";  // resolve() asks for places, of which steps need none
  }
  resolve(o);
  const Device device = choose_device(o.device);
  const std::unique_ptr<DepthNet> net = make_net(o.net, o.net_options);
  net->to(device);
  const i64 kept_bytes = measure_steps(o, device, *net, needs);
  const i64 learnt = bytes_of(net->parameters());
  needs.network_bytes = learnt + bytes_of(net->buffers());
  needs.checkpoint_bytes = needs.network_bytes + 2 * learnt;  // Adam's two moments
  needs.log_bytes = needs.steps * kLogBytesAStep;
  if (device.kind == Device::cpu)  // where a checkpoint is put together in the memory of the tensors
    needs.tensor_bytes = std::max(needs.tensor_bytes, kept_bytes + needs.checkpoint_bytes);
  needs.disk_bytes = i64(o.keep + 1) * needs.checkpoint_bytes + needs.log_bytes;  // a new one before an old one goes
  if (!o.eval_list.empty()) needs.disk_bytes += 2 * needs.network_bytes;
  return needs;
}

std::string needs_text(const RunNeeds& needs, const TrainOptions& o) {
  const double machine_gb = double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGE_SIZE)) / kGb;
  std::string text = printed("first run     %s%s, batch %d of %dx%d", o.net.c_str(),
                             o.metric_depth ? " with MetricDepth" : "", o.batch, o.augment.height, o.augment.width);
  if (o.accumulate > 1) text += printed(", %d of them a step", o.accumulate);
  if (needs.steps > 0)
    text += printed(", %lld steps on %lld frames", static_cast<long long>(needs.steps),
                    static_cast<long long>(needs.frames));
  text += printed("\nmemory        %.2f GB of tensors at most; the machine has %.0f GB",
                  double(needs.tensor_bytes) / kGb, machine_gb);
  text += printed("\ntime          %.3g s a step, measured", needs.step_s);
  text += needs.steps > 0 ? ": " + duration_text(needs.step_s * double(needs.steps)) + " without evaluations"
                          : "; with --data and --list also of the whole run";
  text += printed("\ndisk          %.0f MB, of which each checkpoint %.0f MB", double(needs.disk_bytes) / kMb,
                  double(needs.checkpoint_bytes) / kMb);
  return text + free_space(o.out) + "\n";
}

}  // namespace md
