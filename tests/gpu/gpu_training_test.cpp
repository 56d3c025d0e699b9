// LT with MetricDepth trained on a GPU: every step equals the CPU's. (golden_test holds the same steps against
// PyTorch.)
// Labels: gpu
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "layers/ops.h"
#include "nets/registry.h"
#include "tests/golden/golden.h"
#include "tests/gpu/gpu_training.h"

namespace md::test {
namespace {

using Numbers = std::map<std::string, std::vector<double>>;

/// The batch of networks/lt_metricdepth_nyu_64x96, on the CPU.
Batch golden_batch() {
  const golden::Path path = golden::goldens_dir() / "networks/lt_metricdepth_nyu_64x96.safetensors";
  const auto file = SafeTensors::read(path.string());
  const Tensor target = golden::from_nchw(file.tensor("target.depth"));
  Batch batch;
  batch.image = golden::from_nchw(file.tensor("input.image"));
  batch.depth_m = target.reshape({target.dim(0), target.dim(1), target.dim(2)});
  batch.focal_px = Tensor::full({target.dim(0)}, 500.F);
  return batch;
}

std::unique_ptr<DepthNet> golden_net(Device device) {
  auto net = make_net("lt", {.max_depth_m = 10.F});
  golden::load_formula(*net, "", 1.4);
  net->to(device);
  return net;
}

Numbers numbers(const std::vector<Module::Entry>& entries) {
  Numbers out;
  for (const auto& e : entries) {
    if (e.tensor.dtype() == DType::f32) out[e.name] = to_double(e.tensor);
  }
  return out;
}

/// A network, its optimiser and what its last step did.
struct Training {
  explicit Training(Device d) : device(d) {}

  void walk(const Tensor& image, const Tensor& host_depth_m, i64 step) {
    const Tensor depth_m = host_depth_m.to(device);
    const DepthMaps maps = net->forward(image.to(device));
    const Tensor& f = maps.features;
    const Tensor small = depth_to_feature_size(depth_m, f.dim(1), f.dim(2), DepthCell::nearest);
    const MetricDepthShifts shifts = draw_shifts(options.metric, options.seed, step, f.dim(0), f.dim(1), f.dim(2));
    const Tensor data = silog(maps.depth_m, depth_m, options.silog);
    const Tensor regulariser = metric_depth(f, small, shifts.list, options.metric);
    adam.zero_grad();
    add(data, regulariser).backward();
    losses = {double(data.item()), double(regulariser.item())};
    gradients.clear();
    for (const auto& p : net->parameters()) gradients[p.name] = to_double(p.tensor.grad());
  }

  TrainOptions options = with_metric_depth();
  Device device;
  std::unique_ptr<DepthNet> net = golden_net(device);
  Adam adam{{{net->parameters(), options.weight_decay}}, options.adam};
  std::array<double, 2> losses{};
  Numbers gradients;
};

double norm(const std::vector<double>& x) { return relative_l2(x, std::vector<double>(x.size())); }

/// Relative L2 errors, sorted. What is zero in theory (the gradient of a bias before a batch norm) is rounding on both
/// sides: it is held against 1e-5 of the largest norm.
std::vector<double> errors(const Numbers& got, const Numbers& want) {
  double largest = 0;
  for (const auto& [name, values] : want) largest = std::max(largest, norm(values));
  std::vector<double> out;
  for (const auto& [name, values] : want) {
    const double size = norm(values), off = relative_l2(got.at(name), values) * (size > 0 ? size : 1);
    out.push_back(off / std::max(size, 1e-5 * largest));
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// Empty if losses, gradients and running statistics agree within the tolerances of a float32 run.
std::string difference(const Training& gpu, const Training& cpu) {
  std::string wrong;
  const auto hold = [&](const char* what, double error, double tolerance) {
    if (!(error <= tolerance)) wrong += cat(what, " off by ", error, " > ", tolerance, "\n");
  };
  for (std::size_t i = 0; i < 2; ++i) hold("a loss", std::abs(gpu.losses[i] / cpu.losses[i] - 1), 1e-5);
  const std::vector<double> gradients = errors(gpu.gradients, cpu.gradients);
  hold("the worst gradient", gradients.back(), 5e-3);
  hold("the median gradient", gradients[gradients.size() / 2], 1e-4);
  hold("the worst statistic", errors(numbers(gpu.net->buffers()), numbers(cpu.net->buffers())).back(), 1e-5);
  return wrong;
}

/// Forward and backward on both from the same state. Why the image may be a few roundings off:
/// tests/golden/golden_networks.cpp, check_training_despite_kinks.
void expect_same_gradients(Training& gpu, Training& cpu, const Batch& batch, i64 step) {
  const State start = cpu.net->state();
  std::string all;
  for (const int ulps : {0, 1, -1, 2, -2}) {
    const Tensor image = scale(batch.image, 1 + float(ulps) * 0x1p-23F);
    for (Training* t : {&gpu, &cpu}) {
      t->net->load(start);
      t->walk(image, batch.depth_m, step);
    }
    const std::string wrong = difference(gpu, cpu);
    if (wrong.empty()) return;
    all += cat("image off by ", ulps, " ulps:\n", wrong);
  }
  ADD_FAILURE() << "step " << step << "\n" << all;
}

// Both walk and update from the same place: Adam makes a step of full length of a gradient that is rounding alone, and
// batch norm over a dozen samples (this golden's) carries the two apart.
using GpuTraining = GpuTest;
TEST_F(GpuTraining, ThreeStepsEqualTheCpus) {
  const Batch batch = golden_batch();
  Training cpu(Device{}), gpu(kGpu);
  for (int k = 0; k < 3; ++k) {
    expect_same_gradients(gpu, cpu, batch, k);
    const auto ours = gpu.net->parameters(), theirs = cpu.net->parameters();
    for (std::size_t i = 0; i < ours.size(); ++i) ours[i].tensor.set_grad(theirs[i].tensor.grad().to(kGpu));
    gpu.adam.step(gpu.options.lr);
    cpu.adam.step(cpu.options.lr);
    // A few roundings of the parameter itself: an update is a thousandth of it.
    EXPECT_LE(errors(numbers(ours), numbers(theirs)).back(), 3e-7) << "step " << k;
  }
}

}  // namespace
}  // namespace md::test
