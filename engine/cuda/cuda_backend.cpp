// The CUDA backend's place: layers and losses already compile and link against it, so that none is rewritten when
// cuDNN and cuBLAS come. Every call throws Exit::no_device; --device cpu is what works.
#include "engine/backend.h"

namespace md {
namespace {

[[noreturn]] void not_yet(const char* call) {
  fail(Exit::no_device, "device cuda: ", call, " does not run on CUDA yet; use --device cpu");
}

class CudaBackend final : public Backend {
 public:
  const char* name() const override { return "cuda"; }

  void* alloc(std::size_t) override { not_yet("alloc"); }
  void free(void*, std::size_t) override { not_yet("free"); }
  PoolStats pool_stats() const override { return {}; }
  void fill(const Tensor&, float) override { not_yet("fill"); }
  void copy(void*, const void*, std::size_t) override { not_yet("copy"); }
  void to_device(void*, const void*, std::size_t) override { not_yet("to_device"); }
  void to_host(void*, const void*, std::size_t) override { not_yet("to_host"); }
  void add_into(const Tensor&, const Tensor&) override { not_yet("add_into"); }
  i64 primitives_created() const override { return 0; }

  void conv2d(const Conv2dSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
    not_yet("conv2d");
  }
  void conv2d_dx(const Conv2dSpec&, const Tensor&, const Tensor&, const Tensor&) override { not_yet("conv2d_dx"); }
  void conv2d_dw(const Conv2dSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
    not_yet("conv2d_dw");
  }
  void batch_norm_statistics(const BatchNormSpec&, const Tensor&, const Tensor&, const Tensor&,
                             const Tensor&) override {
    not_yet("batch_norm_statistics");
  }
  void batch_norm(const BatchNormSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                  const Tensor&) override {
    not_yet("batch_norm");
  }
  void batch_norm_backward(const BatchNormSpec&, bool, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                           const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
    not_yet("batch_norm_backward");
  }
  void gemm(const GemmSpec&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override { not_yet("gemm"); }
  void layer_norm(float, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                  const Tensor&) override {
    not_yet("layer_norm");
  }
  void layer_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                           const Tensor&, const Tensor&) override {
    not_yet("layer_norm_backward");
  }
  void window_attention(const WindowSpec&, const WindowTensors&, const Tensor&) override {
    not_yet("window_attention");
  }
  void window_attention_backward(const WindowSpec&, const WindowTensors&, const Tensor&,
                                 const WindowTensors&) override {
    not_yet("window_attention_backward");
  }
  void reduce_sum(const Tensor&, const Tensor&, i64, i64, i64, const Tensor&) override { not_yet("reduce_sum"); }
  void metric_depth(const MetricDepthPairs&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
    not_yet("metric_depth");
  }
};

}  // namespace

Backend& cuda_backend(int index) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) fail(Exit::no_device, "device cuda:", index, ": ", cudaGetErrorString(status));
  if (index >= count) fail(Exit::no_device, "device cuda:", index, ": there are ", count, " GPUs");
  static CudaBackend backend;
  return backend;
}

}  // namespace md
