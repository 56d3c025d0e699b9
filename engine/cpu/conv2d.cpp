// Which kernel computes which convolution: oneDNN, except where an own kernel is measured to be faster.
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/cpu_backend.h"

namespace md {

void CpuBackend::conv2d(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  convolutions_->forward(spec, x, w, bias, y);
}

void CpuBackend::conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  convolutions_->data_gradient(spec, dz, w, dx);
}

void CpuBackend::conv2d_dw(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw,
                           const Tensor& dbias) {
  convolutions_->weight_gradient(spec, dz, x, dw, dbias);
}

i64 CpuBackend::primitives_created() const { return convolutions_->created(); }

}  // namespace md
