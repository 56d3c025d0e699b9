// Convolutions of the CUDA backend: cuDNN's plans, and the bias gradient, which is a sum over rows.
#include "engine/cuda/conv_cudnn.h"
#include "engine/cuda/cuda_backend.h"

namespace md {

void CudaBackend::conv2d(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias,
                         const Tensor& y) {
  convolutions_->forward(spec, x, w, bias, y);
}

void CudaBackend::conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  convolutions_->data_gradient(spec, dz, w, dx);
}

void CudaBackend::conv2d_dw(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw,
                            const Tensor& dbias) {
  convolutions_->weight_gradient(spec, dz, x, dw);
  if (dbias) reduce_sum(dz, {}, 1, dz.numel() / dz.dim(3), dz.dim(3), dbias);
}

i64 CudaBackend::primitives_created() const { return convolutions_->created(); }

}  // namespace md
