// Weights in the order in which oneDNN's fastest 1x1 convolution reads them.
#pragma once
#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

/// w [rows,columns] in panels of `height` rows, each [columns,height]; zeros below the last row.
void pack_panels(const float* w, i64 rows, i64 columns, i64 height, float* panels);

}  // namespace md::MD_KERNELS
