// Convolutions on cuDNN's graph API, planned once by shape and dtype. Bias gradients are not among them: CudaBackend
// sums those itself.
#pragma once
#include <memory>

#include "engine/backend.h"
#include "engine/cuda/plan_clock.h"

namespace md {

/// The passes of a convolution, each planned once for its shapes. Operands as of Backend::conv2d and its gradients.
class ConvPlans {
 public:
  virtual ~ConvPlans() = default;
  /// y = act(conv(x, w) + bias (+ y, where it accumulates)); `bias` may be empty.
  virtual void forward(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) = 0;
  /// dx from dz, the gradient before the activation.
  virtual void data_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) = 0;
  /// dw from dz.
  virtual void weight_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw) = 0;
  virtual i64 created() const = 0;  // plans, ever
  virtual i64 kept() const = 0;     // plans in the cache now
  /// As of Backend::chosen_plans and Backend::take_plans.
  virtual std::string chosen() const = 0;
  virtual std::string take(const std::string& text) = 0;
};

/// Keeps at most so many plans. A network's step has a few hundred; images of changing sizes have ever new ones.
/// REQUIRES: cuda::runtime() has its GPU. Workspaces are tensors of that device, from its pool. `clock` times plans;
/// null: the GPU's.
constexpr std::size_t kMostPlans = 2048;
std::unique_ptr<ConvPlans> make_conv_plans(std::size_t most = kMostPlans,
                                           std::unique_ptr<cuda::PlanClock> clock = nullptr);

}  // namespace md
