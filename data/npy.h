// NumPy's .npy files as float maps (numpy.lib.format 1.0 to 3.0): what other programs write depth in.
#pragma once
#include <string>

#include "engine/tensor.h"

namespace md {

/// [H,W] from little-endian float32 or float64 in C order; axes of one element before or after are dropped. Throws,
/// naming the file, ErrorKind::missing or, for anything else, a truncated file or one with more data,
/// ErrorKind::bad_data.
Tensor read_npy(const std::string& path);

/// The bytes of a file with map [H,W].
std::string to_npy(const Tensor& map);
/// Those before the numbers: float32 [height,width], row after row, are to follow.
std::string npy_header(i64 height, i64 width);

}  // namespace md
