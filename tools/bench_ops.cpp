// The table of ops: each at the shapes of LT's training step, timed forward and backward, against the machine's peaks.
#include <omp.h>

#include <algorithm>

#include "engine/cpu/vec.h"
#include "engine/rng.h"
#include "layers/ops.h"
#include "losses/silog.h"
#include "tools/bench_work.h"

namespace md {
namespace {

constexpr double kTime_s = 0.1;  // of each measurement

struct Op {
  std::string name;
  std::vector<Tensor> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> forward;
  double flops = 0;  // of the forward; the backward of a convolution has twice as many
};

Tensor random(const Shape& shape) {
  Rng rng(1, Purpose::test, 0, std::uint64_t(shape.numel()));
  std::vector<float> x(std::size_t(shape.numel()));
  for (float& v : x) v = float(rng.uniform(0.1, 1));
  return Tensor::from_host(x, shape).requires_grad_();
}

/// kernel x kernel, padded to keep the size; depthwise where groups > 1.
Op convolution(const std::string& name, const Shape& x, i64 out, int kernel, int stride = 1, int groups = 1) {
  const i64 C = x[3];
  const Shape w = groups > 1 ? Shape({kernel, kernel, C}) : Shape({out, kernel, kernel, C});
  const Conv2dSpec spec{.stride = stride, .pad = kernel / 2, .groups = groups};
  const i64 outputs = x[0] * ((x[1] - 1) / stride + 1) * ((x[2] - 1) / stride + 1) * out;
  return {name,
          {random(x), random(w)},
          [spec](const auto& in) { return conv2d(in[0], in[1], {}, spec); },
          2. * double(outputs) * kernel * kernel * double(C / groups)};
}

Op normalisation(const std::string& name, const Shape& x, Act act) {
  const i64 C = x[3];
  const BatchNormState state{Tensor::zeros({C}), Tensor::full({C}, 1.F), 0.01F, true};
  return {name, {random(x), random({C}), random({C})}, [=](const auto& in) {
            return batch_norm(in[0], in[1], in[2], state, {.eps = 1e-3F, .act = {act}});
          }};
}

std::vector<Op> lt_ops() {
  const Shape half{4, 208, 272, 64};
  return {
      convolution("conv2d 3x3 s2, stem", {4, 416, 544, 3}, 16, 3, 2),
      convolution("conv2d 3x3, up4.conv1", {4, 208, 272, 64}, 32, 3),
      convolution("conv2d 3x3, up4.conv2", {4, 208, 272, 32}, 32, 3),
      convolution("conv2d 3x3, up3.conv1", {4, 104, 136, 88}, 48, 3),
      convolution("conv2d 3x3, up1.conv1", {4, 26, 34, 368}, 128, 3),
      convolution("conv2d 3x3, predict", {4, 208, 272, 32}, 1, 3),
      convolution("conv2d 1x1, expand", {4, 208, 272, 16}, 64, 1),
      convolution("conv2d 1x1, project", {4, 26, 34, 672}, 112, 1),
      convolution("depthwise 3x3", {4, 208, 272, 16}, 16, 3, 1, 16),
      convolution("depthwise 3x3 s2", half, 64, 3, 2, 64),
      convolution("depthwise 5x5", {4, 52, 68, 120}, 120, 5, 1, 120),
      normalisation("batch_norm + relu", half, Act::relu),
      normalisation("batch_norm + hardswish", {4, 52, 68, 240}, Act::hardswish),
      {"upsample_bilinear x2",
       {random({4, 104, 136, 48})},
       [](const auto& in) { return upsample_bilinear(in[0], 208, 272); }},
      {"concat", {random({4, 208, 272, 48}), random({4, 208, 272, 16})}, [](const auto& in) { return concat(in); }},
      {"multiply_channels",
       {random({4, 52, 68, 120}), random({4, 1, 1, 120})},
       [](const auto& in) { return multiply_channels(in[0], in[1]); }},
      {"adaptive_avg_pool 1x1",
       {random({4, 52, 68, 120})},
       [](const auto& in) { return adaptive_avg_pool(in[0], 1, 1); }},
      {"sigmoid", {random({4, 208, 272, 1})}, [](const auto& in) { return sigmoid(in[0]); }},
      {"silog",
       {random({4, 416, 544, 1})},
       [target_m = random({4, 416, 544}).detach()](const auto& in) { return silog(in[0], target_m, {}); }},
  };
}

double bytes_of(const std::vector<Tensor>& tensors) {
  double bytes = 0;
  for (const Tensor& t : tensors) bytes += double(t.bytes());
  return bytes;
}

void time_op(const Op& op, std::vector<OpTime>& out) {
  Tensor y = op.forward(op.inputs);
  const Tensor dy = y.clone();
  const double in = bytes_of(op.inputs), result = double(y.bytes());
  const auto reset = [&] {
    y = {};
    for (const Tensor& x : op.inputs) x.zero_grad();
  };
  const auto forward = [&] { y = op.forward(op.inputs); };
  const std::string shape = op.inputs[0].shape().str();
  out.push_back({op.name, shape, false, median_s(kTime_s, forward, reset), op.flops, in + result});
  const auto record_again = [&] {
    reset();
    forward();
  };
  out.push_back({op.name, shape, true,
                 median_s(
                     kTime_s, [&] { y.backward(dy); }, record_again),
                 2 * op.flops, 2 * in + result});
}

}  // namespace

double OpTime::of_peak(const Peaks& peaks) const {
  return std::max(flops / peaks.flops, bytes / peaks.bytes) / seconds;
}

Peaks measure_peaks() {
  constexpr int kRounds = 1 << 20, kChains = 10;  // enough independent sums to hide the latency of an addition
  float kept = 0;
  const double flops_s = median_s(kTime_s, [&] {
#pragma omp parallel reduction(+ : kept)
    {
      Vec sums[kChains] = {};
      const Vec a = broadcast(0.5F), b = broadcast(float(omp_get_thread_num()));
      for (int round = 0; round < kRounds; ++round) {
        for (Vec& s : sums) s = s * a + b;
      }
      for (const Vec& s : sums) kept += sum_of_lanes(s);
    }
  });
  constexpr i64 kElements = 1 << 25;  // 128 MiB each: far beyond the caches
  const Tensor x = Tensor::full({kElements}, 1.F), y = Tensor::full({kElements}, kept == 0 ? 1.F : 2.F);
  const double bytes_s = median_s(kTime_s, [&] { backend(x.device()).add_into(y, x); });
  return {2. * kChains * kRounds * double(kLanes) * omp_get_max_threads() / flops_s, 12. * kElements / bytes_s};
}

std::vector<OpTime> time_ops() {
  std::vector<OpTime> out;
  for (const Op& op : lt_ops()) time_op(op, out);
  std::sort(out.begin(), out.end(), [](const OpTime& a, const OpTime& b) { return a.seconds > b.seconds; });
  return out;
}

}  // namespace md
