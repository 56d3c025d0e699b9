// Winograd convolutions (engine/cpu/winograd_transform.h) of stride 1 with 3x3 or 2x2 windows, dense or dilated, on
// tiles of 4x4 or 6x6 inputs. Transformed tiles and weights live in blocks that the caches hold; nothing of the image's
// size is written between. Results do not depend on the number of threads.
#pragma once
#include "engine/backend.h"
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// Whether there are kernels for this convolution, with w [O,kh,kw,I].
bool winograd_can(const Conv2dSpec&, const Tensor& w);

// Operands as of Backend::conv2d and its gradients, both maps f32 or both bf16, which are computed with as f32. `tile`:
// 4 or 6.

/// y = act(conv(x, w) + bias).
void winograd_forward(int tile, const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias,
                      const Tensor& y);
/// dx from dz.
void winograd_data_gradient(int tile, const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx);
/// dw from dz.
void winograd_weight_gradient(int tile, const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw);

}  // namespace md::MD_KERNELS
