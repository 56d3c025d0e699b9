// PNG (libpng's row interface) and JPEG (libjpeg-turbo, stb_image) from and to memory. Internal to data/: callers use
// image_io.h. PNG: checksums of all chunks are strict, both sides are limited to max_image_side, and the file must
// reach its IEND. `name` stands for the file in messages; decoders throw Exit::bad_data, encoders Exit::cannot_write.
#pragma once
#include <span>
#include <string>

#include "data/image_io.h"

namespace md {

using Bytes = std::span<const unsigned char>;

/// 8-bit RGB only; otherwise the message says what the file is.
RgbImage decode_png_rgb(Bytes, const std::string& name);
/// 16-bit grey only.
DepthImage decode_png_depth(Bytes, const std::string& name);
std::string encode_png(const RgbImage&, const std::string& name);
std::string encode_png(const DepthImage&, const std::string& name);

#ifdef MD_WITH_LIBJPEG
/// Any warning of the library (truncation, corrupt data) is an error.
RgbImage decode_jpeg_turbo(Bytes, const std::string& name);
std::string encode_jpeg_turbo(const RgbImage&, int quality, const std::string& name);
#endif
/// stb_image does not report truncation, so the end-of-image marker must be there.
RgbImage decode_jpeg_stb(Bytes, const std::string& name);

}  // namespace md
