#include "tests/cuda/recording_backend.h"

#include <cstdlib>

#include "layers/ops.h"
#include "nets/registry.h"

namespace md {
namespace {

using cuda::ConvPass;

class RecordingBackend final : public Backend {
 public:
  const char* name() const override { return "recording"; }

  void* alloc(std::size_t bytes) override { return std::calloc(bytes, 1); }
  void free(void* block, std::size_t) override { std::free(block); }
  PoolStats pool_stats() const override { return {}; }
  void fill(const Tensor&, float) override {}
  void copy(void*, const void*, std::size_t) override {}
  void to_device(void*, const void*, std::size_t) override {}
  void to_host(void*, const void*, std::size_t) override {}
  void add_into(const Tensor&, const Tensor&) override {}
  i64 primitives_created() const override { return 0; }

  void conv2d(const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) override {
    record(ConvPass::forward, s, x, w, y, bool(bias));
  }
  void conv2d_dx(const Conv2dSpec& s, const Tensor& dz, const Tensor& w, const Tensor& dx) override {
    record(ConvPass::data_gradient, s, dx, w, dz, false);
  }
  void conv2d_dw(const Conv2dSpec& s, const Tensor& dz, const Tensor& x, const Tensor& dw, const Tensor&) override {
    record(ConvPass::weight_gradient, s, x, dw, dz, false);
  }

  void batch_norm_statistics(const BatchNormSpec&, const Tensor&, const RunningStatistics&, const Tensor&,
                             const Tensor&) override {}
  void batch_norm(const BatchNormSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                  const Tensor&) override {}
  void batch_norm_backward(const BatchNormSpec&, bool, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                           const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}
  void gemm(const GemmSpec& s, const Tensor& a, const Tensor&, const Tensor& bias, const Tensor& c) override {
    const i64 n = c.dim(-1), m = c.numel() / n;
    recorded.products.insert({s.transpose_a, s.transpose_b, bool(bias), m, n, a.numel() / m});
  }
  void layer_norm(float, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                  const Tensor&) override {}
  void layer_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                           const Tensor&, const Tensor&) override {}
  void window_attention(const WindowSpec&, const WindowTensors&, const Tensor&) override {}
  void window_attention_backward(const WindowSpec&, const WindowTensors&, const Tensor&,
                                 const WindowTensors&) override {}
  void reduce_sum(const Tensor&, const Tensor&, i64, i64, i64, const Tensor&) override {}
  void metric_depth(const MetricDepthPairs&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {}

  test::StepWork recorded;

 private:
  void record(ConvPass pass, const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& y, bool bias) {
    cuda::ConvProblem p = cuda::describe_conv(pass, s, x.shape(), w.shape(), y.shape(), x.dtype());
    p.bias = bias;
    recorded.convolutions.insert(p);
  }
};

RecordingBackend& recording_backend() {
  static auto* const it = new RecordingBackend;
  return *it;
}

}  // namespace

/// The linker prefers this one to the engine's (engine/cpu/kernel_choice.cpp).
Backend& cpu_backend() { return recording_backend(); }

namespace test {

StepWork work_of_step(const std::string& net, i64 batch, i64 height, i64 width) {
  recording_backend().recorded = {};
  // One image is enough to walk the network: the batch is the first dimension of every map, and of every product the
  // dimension of the pixels, which are rows, or what a weight's gradient sums over.
  const Tensor image = Tensor::empty({1, height, width, 3}), focal_px = Tensor::empty({1});
  sum(make_net(net, {.seed = std::nullopt})->forward(image, focal_px).depth_m).backward();
  StepWork work;
  for (cuda::ConvProblem p : recording_backend().recorded.convolutions) {
    p.x[0] = p.y[0] = batch;
    work.convolutions.insert(p);
  }
  for (Product p : recording_backend().recorded.products) {
    (p.transpose_a ? p.k : p.m) *= batch;
    work.products.insert(p);
  }
  return work;
}

}  // namespace test
}  // namespace md
