// PNG (libpng's row interface) and JPEG (libjpeg-turbo, stb_image) from and to memory. Internal to data/: callers use
// image_io.h. PNG: checksums of all chunks are strict, and the file must reach its IEND. `name` stands for the file in
// messages; decoders throw ErrorKind::bad_data, encoders ErrorKind::cannot_write.
#pragma once
#include <span>
#include <string>

#include "data/byte_source.h"
#include "data/image_io.h"

namespace md {

inline constexpr int max_jpeg_scans = 500;  // progressive files have about ten

/// Within max_image_side and max_image_pixels; otherwise the reason is written. Does not throw: codecs call it between
/// setjmp and longjmp.
bool is_readable_size(unsigned width, unsigned height, std::span<char> reason);

/// 8-bit RGB only; otherwise the message says what the file is.
RgbImage decode_png_rgb(Bytes, const std::string& name);
/// 16-bit grey only.
DepthImage decode_png_depth(Bytes, const std::string& name);
/// 8-bit RGB, 16-bit grey. REQUIRES: height * width samples (RGB: 3 for each pixel), which write_png() checks.
std::string encode_png(const RgbImage&, const std::string& name);
std::string encode_png(const DepthImage&, const std::string& name);

#ifdef MD_WITH_LIBJPEG
/// Any warning of the library (truncation, corrupt data) is an error, and so are hundreds of scans, which cost a few
/// bytes each and a pass over the whole image.
RgbImage decode_jpeg_turbo(Bytes, const std::string& name);
std::string encode_jpeg_turbo(const RgbImage&, int quality, const std::string& name);
#endif
/// A file whose segments are not in order is refused before stb_image sees it.
RgbImage decode_jpeg_stb(Bytes, const std::string& name);

/// A library's message without what a terminal should not see.
std::string printable(const std::string& text);

}  // namespace md
