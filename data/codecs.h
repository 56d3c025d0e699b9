// One library each: PNG (libpng's row interface), JPEG (libjpeg-turbo, stb_image), WebP, TIFF, HEIC and AVIF (libheif),
// and BMP, which is read by hand. Internal to data/: callers use image_io.h and picture.h. PNG: checksums of all chunks
// that matter are strict, and the file must reach its IEND. `name` stands for the file in messages; decoders throw
// ErrorKind::bad_data, encoders ErrorKind::cannot_write.
#pragma once
#include <string>

#include "data/byte_source.h"
#include "data/exif.h"
#include "data/image_io.h"
#include "data/picture_rows.h"

namespace md {

inline constexpr int max_jpeg_scans = 500;  // progressive files have about ten

// Decoders of colour hand a picture's rows to PictureRows, and return what EXIF says; its orientation has been applied
// if `upright`. What they throw names rows.name().

/// Every colour type and depth.
Exif stream_png(const ByteSource&, PictureRows&, bool upright);
#ifdef MD_WITH_LIBJPEG
/// What loses pixels (truncation, corrupt data) is an error, other remarks of the library are not. Hundreds of scans,
/// which cost a few bytes each and a pass over the whole image, are an error, too. CMYK becomes RGB as in Pillow.
Exif stream_jpeg_turbo(const ByteSource&, PictureRows&, bool upright);
#endif
/// A file whose segments are not in order is refused before stb_image sees it, and so is CMYK without Adobe's segment.
Exif stream_jpeg_stb(const ByteSource&, PictureRows&, bool upright);
/// Palettes, 16 to 32 bits a pixel with any masks; not run-length coded ones.
Exif stream_bmp(const ByteSource&, PictureRows&);
#ifdef MD_WITH_WEBP
/// Not animated ones.
Exif stream_webp(const ByteSource&, PictureRows&);
#endif
#ifdef MD_WITH_TIFF
/// The first picture of a file: whole numbers of 1 to 16 bits, as libtiff makes RGB of them.
Exif stream_tiff(const ByteSource&, PictureRows&);
#endif
#ifdef MD_WITH_HEIF
/// HEIC and AVIF: the primary picture. libheif itself turns it upright.
Exif stream_heif(const ByteSource&, PictureRows&);
#endif

// The same from memory as training reads them: pixels as stored, alpha ignored, within max_image_pixels.
RgbImage decode_png_rgb(Bytes, const std::string& name);
#ifdef MD_WITH_LIBJPEG
RgbImage decode_jpeg_turbo(Bytes, const std::string& name);
#endif
RgbImage decode_jpeg_stb(Bytes, const std::string& name);

/// 16-bit grey only; otherwise the message says what the file is. All checksums are strict.
DepthImage decode_png_depth(const ByteSource&, const std::string& name);
DepthImage decode_png_depth(Bytes, const std::string& name);
/// 8-bit RGB, 16-bit grey. REQUIRES: height * width samples (RGB: 3 for each pixel), which write_png() checks.
std::string encode_png(const RgbImage&, const std::string& name);
std::string encode_png(const DepthImage&, const std::string& name);
#ifdef MD_WITH_LIBJPEG
std::string encode_jpeg_turbo(const RgbImage&, int quality, const std::string& name);
#endif

/// With the library of this build.
inline Exif stream_jpeg(const ByteSource& source, PictureRows& rows, bool upright) {
#ifdef MD_WITH_LIBJPEG
  return stream_jpeg_turbo(source, rows, upright);
#else
  return stream_jpeg_stb(source, rows, upright);
#endif
}

/// read_picture() of bytes that are a file named spec.name, within the limits of `spec`.
Picture decode_picture(const ByteSource&, RowsSpec spec);

/// Told by the first bytes; null: none that is known.
const PictureFormat* format_of(const ByteSource&);
/// Throws ErrorKind::bad_data where a file has more bytes than max_image_pixels take, uncompressed.
void check_image_bytes(const ByteSource&, const std::string& name);
/// ByteSource::whole() for a library that wants the file in one piece: half of what a picture may take at most, else
/// ErrorKind::bad_data.
Bytes whole_file(const ByteSource&, std::vector<unsigned char>& storage, const std::string& name);

/// A library's message without what a terminal should not see.
std::string printable(const std::string& text);

}  // namespace md
