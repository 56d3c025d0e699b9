// Writes NumPy's .npy files, in which other programs read depth. Their reader: data/depth_map.h.
#pragma once
#include <string>

#include "engine/tensor.h"

namespace md {

/// The bytes of a file with map [H,W]: little-endian float32 in C order.
std::string to_npy(const Tensor& map);
/// Those before the numbers: float32 [height,width], row after row, are to follow.
std::string npy_header(i64 height, i64 width);

}  // namespace md
