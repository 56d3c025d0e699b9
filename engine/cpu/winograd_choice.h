// When Winograd's algorithm is faster than oneDNN's direct convolution, and on which tiles.
#pragma once
#include "engine/backend.h"
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// What of a convolution is computed: y, dx or dw.
enum class ConvPass : std::uint8_t { forward, data, weights };

/// Side of the tiles, 4 or 6, for the pass of a convolution from x to y; 0: compute it directly.
int winograd_tile(ConvPass, const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& y);

}  // namespace md::MD_KERNELS
