// The CPU backend: oneDNN for most convolutions and for matrix products, own kernels (OpenMP, vectorised along
// channels) for the rest. Every sum of theirs runs over chunks fixed by the shape alone, so that results do not depend
// on the number of threads; oneDNN's weight gradients are reproducible at a fixed number of threads only.
#pragma once
#include "engine/backend.h"
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/gemm_dnnl.h"
#include "engine/cpu/kernel_set.h"
#include "engine/pool.h"

namespace md::MD_KERNELS {

class CpuBackend final : public Backend {
 public:
  CpuBackend();
  ~CpuBackend() override;
  const char* name() const override { return "cpu"; }

  void* alloc(std::size_t bytes) override { return pool_.alloc(bytes); }
  void free(void* block, std::size_t bytes) override { pool_.free(block, bytes); }
  PoolStats pool_stats() const override { return pool_.stats(); }
  void keep_cached_at_most(std::size_t bytes) override;
  void fill(const Tensor& y, float value) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void to_device(void* device, const void* host, std::size_t bytes) override { copy(device, host, bytes); }
  void to_host(void* host, const void* device, std::size_t bytes) override { copy(host, device, bytes); }
  void add_into(const Tensor& sum, const Tensor& x) override;
  i64 primitives_created() const override;

  void conv2d(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) override;
  void conv2d_dx(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) override;
  void conv2d_dw(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw, const Tensor& dbias) override;

  void batch_norm_statistics(const BatchNormSpec&, const Tensor& x, const RunningStatistics&, const Tensor& mean,
                             const Tensor& rstd) override;
  void batch_norm(const BatchNormSpec&, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                  const Tensor& rstd, const Tensor& y) override;
  void batch_norm_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& x,
                           const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                           const Tensor& dx, const Tensor& dweight, const Tensor& dbias) override;

  void gemm(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) override;
  void layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                  const Tensor& mean, const Tensor& rstd) override;
  void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                           const Tensor& rstd, const Tensor& dx, const Tensor& dweight, const Tensor& dbias) override;
  void window_attention(const WindowSpec&, const WindowTensors&, const Tensor& y) override;
  void window_attention_backward(const WindowSpec&, const WindowTensors& inputs, const Tensor& dy,
                                 const WindowTensors& gradients) override;

  void reduce_sum(const Tensor& x, const Tensor& factor, i64 outer, i64 axis, i64 inner, const Tensor& y) override;
  void metric_depth(const MetricDepthPairs&, const Tensor& features, const Tensor& depth_m, const Tensor& result,
                    const Tensor& gradient) override;

 private:
  Pool pool_;
  std::unique_ptr<ConvPrimitives> convolutions_;
  std::unique_ptr<GemmPrimitives> products_;
};

}  // namespace md::MD_KERNELS
