// Convolutions on cuDNN's graph API, planned once by shape and dtype. Bias gradients are not among them: CudaBackend
// sums those itself.
#pragma once
#include <memory>

#include "engine/backend.h"

namespace md {

class ConvPlans {
 public:
  virtual ~ConvPlans() = default;
  virtual void forward(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) = 0;
  virtual void data_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) = 0;
  virtual void weight_gradient(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw) = 0;
  virtual i64 created() const = 0;
};

/// REQUIRES: cuda::runtime() has its GPU. Workspaces are tensors of that device, from its pool.
std::unique_ptr<ConvPlans> make_conv_plans();

}  // namespace md
