// Convolutions of the CUDA backend: cuDNN's plans; a matrix product where each pixel is its own window (cuBLAS needs no
// plan for a size, and no layout but ours); and the bias gradient, which is a sum over rows.
#include "engine/cuda/conv_cudnn.h"
#include "engine/cuda/cuda_backend.h"

namespace md {
namespace {

/// Whether z [pixels,O] = x [pixels,I] w', w [O,I].
bool is_product(const Conv2dSpec& s, const Tensor& w) {
  return w.shape().rank() == 4 && w.dim(1) == 1 && w.dim(2) == 1 && s.groups == 1 && s.stride == PerAxis(1) &&
         s.pad == PerAxis(0);
}

}  // namespace

void CudaBackend::conv2d(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias,
                         const Tensor& y) {
  const bool plain = !bias && spec.act.kind == Act::none && !spec.accumulate;  // cuDNN does the rest in the same kernel
  if (plain && is_product(spec, w)) return gemm({.transpose_b = true}, x, w, {}, y);
  convolutions_->forward(spec, x, w, bias, y);
}

void CudaBackend::conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  if (is_product(spec, w)) return gemm({}, dz, w, {}, dx);
  convolutions_->data_gradient(spec, dz, w, dx);
}

void CudaBackend::add_conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  if (is_product(spec, w)) return add_gemm({}, dz, w, dx);
  Backend::add_conv2d_dx(spec, dz, w, dx);
}

void CudaBackend::conv2d_dw(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw,
                            const Tensor& dbias) {
  if (is_product(spec, dw)) return linear_dw(dz, x, dw, dbias);
  convolutions_->weight_gradient(spec, dz, x, dw);
  if (dbias) reduce_sum(dz, {}, 1, dz.numel() / dz.dim(3), dz.dim(3), dbias);
}

i64 CudaBackend::primitives_created() const { return convolutions_->created(); }
std::string CudaBackend::chosen_plans() const { return convolutions_->chosen(); }
std::string CudaBackend::take_plans(const std::string& text) { return convolutions_->take(text); }

}  // namespace md
