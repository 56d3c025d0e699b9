// The CUDA backend, file by file what engine/cpu is: cuDNN for convolutions, cuBLAS for matrix products, own kernels
// for the rest, all on one stream. Every sum runs in an order that the shape alone fixes, none of it by atomics:
// results are the same bits on every run. Device memory comes from a pool over stream-ordered allocations, so a block
// freed on the host may be handed out while the GPU still works on it: the stream keeps the order.
#pragma once
#include "engine/backend.h"
#include "engine/pool.h"

namespace md {

class ConvPlans;  // engine/cuda/conv_cudnn.h, beside it the only files that see cuDNN

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index);  // throws ErrorKind::no_device
  ~CudaBackend() override;
  const char* name() const override { return name_.c_str(); }

  void* alloc(std::size_t bytes) override;
  void free(void* block, std::size_t bytes) override { pool_.free(block, bytes); }
  PoolStats pool_stats() const override { return pool_.stats(); }
  void fill(const Tensor& y, float value) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void to_device(void* device, const void* host, std::size_t bytes) override;
  void to_host(void* host, const void* device, std::size_t bytes) override;
  void add_into(const Tensor& sum, const Tensor& x) override;
  std::unique_ptr<InputQueue> input_queue(Device to) override;
  void copy_each(const std::vector<Tensor>& to, const std::vector<Tensor>& from) override;
  void sum_each(const std::vector<Tensor>& x, const Tensor& sums) override;
  std::unique_ptr<WorkGraph> capture(const std::function<void()>& work) override;
  bool capturing() const override { return kept_ != nullptr; }
  void keep_for_graph(const std::shared_ptr<const void>& it) override;
  i64 primitives_created() const override;
  std::string chosen_plans() const override;
  std::string take_plans(const std::string& text) override;

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

  void add_gemm(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& c) override;
  void add_conv2d_dx(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) override;
  void add_layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                               const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                               const Tensor& dbias) override;
  void linear_dw(const Tensor& dy, const Tensor& x, const Tensor& dw, const Tensor& dbias) override;
  bool activation_backward(const Activation&, const Tensor& dy, const Tensor& y, const Tensor& dz,
                           const Tensor& dbias) override;
  bool batch_norm_plus(const BatchNormSpec&, const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const Tensor& mean, const Tensor& rstd, const Tensor& residual, const Tensor& y) override;
  bool batch_norm_plus_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& y,
                                const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                const Tensor& rstd, const Tensor& dz, const Tensor& dx, const Tensor& dweight,
                                const Tensor& dbias) override;
  bool add_batch_norm_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& x,
                               const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                               const Tensor& dx, const Tensor& dweight, const Tensor& dbias) override;
  bool reduce_mean(const Tensor& x, i64 outer, i64 axis, i64 inner, const Tensor& y) override;
  void metric_depth(const MetricDepthPairs&, const Tensor& features, const Tensor& depth_m, const Tensor& result,
                    const Tensor& gradient) override;

 private:
  class Graph;
  class Capture;
  void* take(std::size_t bytes);
  void refuse_in_capture(const char* what) const;

  std::string name_;
  Pool pool_;
  std::vector<std::shared_ptr<const void>>* kept_ = nullptr;  // for the graph that is being captured
  std::unique_ptr<ConvPlans> convolutions_;
};

}  // namespace md
