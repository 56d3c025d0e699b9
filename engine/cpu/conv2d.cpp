// Which kernel computes which convolution or product: oneDNN, except where an own kernel is measured to be faster.
#include "engine/cpu/conv_depthwise.h"
#include "engine/cpu/conv_direct.h"
#include "engine/cpu/cpu_backend.h"
#include "engine/cpu/widened_product.h"
#include "engine/cpu/winograd.h"
#include "engine/cpu/winograd_choice.h"

namespace md::MD_KERNELS {
namespace {

bool to_one_channel(const Conv2dSpec& spec, const Tensor& w) {
  return spec.groups == 1 && w.shape().rank() == 4 && w.dim(0) == 1 && w.dim(3) >= 16;
}

bool own_depthwise(const Tensor& map, const Tensor& w) {
  return map.dtype() == DType::bf16 && is_depthwise(w) && w.dim(0) * w.dim(1) <= kMostTaps;
}

/// oneDNN's weight gradient is generic for depthwise windows above 3x3, and of bf16 for all; small odd windows have an
/// own kernel.
bool own_weight_gradient(const Conv2dSpec& spec, const Tensor& dz, const Tensor& dw) {
  const i64 k = dw.dim(is_depthwise(dw) ? 1 : 2);
  const bool has_kernel = k == 1 || k == 3 || k == 5 || k == 7;
  return has_kernel && (to_one_channel(spec, dw) || (is_depthwise(dw) && (k > 3 || dz.dtype() == DType::bf16)));
}

/// A product of all pixels, which is faster in f32.
bool widened(const Conv2dSpec& spec, const Tensor& map, const Tensor& w) {
  const bool of_pixels = spec.groups == 1 && spec.stride == PerAxis(1) && spec.pad == PerAxis(0) &&
                         w.shape().rank() == 4 && w.dim(1) == 1 && w.dim(2) == 1;
  return of_pixels && widens_product(map, w.numel());
}

}  // namespace

void CpuBackend::conv2d(const Conv2dSpec& spec, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  if (to_one_channel(spec, w)) {
    direct_one_channel(spec, x, w, bias, y);
  } else if (own_depthwise(x, w)) {
    depthwise(spec, x, w, bias, y);
  } else if (const int tile = winograd_tile(ConvPass::forward, spec, x, w, y)) {
    winograd_forward(tile, spec, x, w, bias, y);
  } else if (widened(spec, x, w)) {
    widened_product({.x = x, .w = w, .bias = bias, .y = y, .act = spec.act, .accumulate = spec.accumulate});
  } else {
    convolutions_->forward(spec, x, w, bias, y);
  }
}

void CpuBackend::conv2d_dx(const Conv2dSpec& spec, const Tensor& dz, const Tensor& w, const Tensor& dx) {
  if (own_depthwise(dz, w)) {
    depthwise_data_gradient(spec, dz, w, dx);
  } else if (const int tile = winograd_tile(ConvPass::data, spec, dx, w, dz)) {
    winograd_data_gradient(tile, spec, dz, w, dx);
  } else if (widened(spec, dz, w)) {
    widened_product({.x = dz, .w = w, .y = dx, .transposed = false});
  } else {
    convolutions_->data_gradient(spec, dz, w, dx);
  }
}

void CpuBackend::conv2d_dw(const Conv2dSpec& spec, const Tensor& dz, const Tensor& x, const Tensor& dw,
                           const Tensor& dbias) {
  if (own_weight_gradient(spec, dz, dw)) {
    direct_weight_gradient(spec, dz, x, dw);
  } else if (const int tile = winograd_tile(ConvPass::weights, spec, x, dw, dz)) {
    winograd_weight_gradient(tile, spec, dz, x, dw);
  } else if (widened(spec, dz, dw)) {
    widened_weight_gradient(dz, x, dw);
  } else {
    return convolutions_->weight_gradient(spec, dz, x, dw, dbias);
  }
  if (dbias) reduce_sum(dz, {}, 1, dz.numel() / dz.dim(3), dz.dim(3), dbias);
}

void CpuBackend::gemm(const GemmSpec& spec, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  if (!widens_product(a, spec.transpose_a ? c.numel() : b.numel())) return products_->run(spec, a, b, bias, c);
  if (spec.transpose_a) return widened_weight_gradient(a, b, c);
  widened_product({.x = a, .w = b, .bias = bias, .y = c, .transposed = spec.transpose_b});
}

i64 CpuBackend::primitives_created() const { return convolutions_->created() + products_->created(); }

}  // namespace md::MD_KERNELS
