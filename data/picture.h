// Users' photos: whatever phones, cameras and desktops write, upright, as 8-bit RGB. What loses pixels is refused; what
// a library merely remarks on is read, and so are EXIF blocks that make no sense: they say nothing. Training reads its
// frames with image_io.h. No file makes this use more than about 1 GiB: a picture that needs more is refused.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/image_io.h"

namespace md {

/// What becomes of transparency: laid over white, or the colours as they are stored beneath it.
enum class Alpha { over_white, ignore };

/// What a caller wants of read_picture.
struct PictureOptions {
  Alpha alpha = Alpha::over_white;
  /// 0: every pixel. Else the picture may come out reduced, by libjpeg's DCT scaling (JPEG) and by averages of whole
  /// boxes of pixels; its shorter side has no less than this, or what the file has.
  int shorter_side = 0;
};

/// A photo as a person sees it, and what its file says of the camera.
struct Picture {
  RgbImage image;             // upright, perhaps reduced
  int height = 0, width = 0;  // of the file, upright
  int orientation = 1;        // EXIF's 1 to 8 that was applied; HEIC's is libheif's business and stays 1
  double focal_35mm = 0;      // EXIF's FocalLengthIn35mmFilm, mm; 0: none
};

/// Limits of what read_picture takes; larger pictures are refused.
inline constexpr int max_picture_side = 65535;
inline constexpr std::int64_t max_picture_pixels = 200'000'000;

/// Any format that this build reads (picture_formats), told by its first bytes, never by its name. Throws, naming the
/// file, ErrorKind::missing, or ErrorKind::bad_data for what is damaged or too large, or of a format that this build
/// lacks: that one is named, with a command that converts it.
Picture read_picture(const std::string& path, const PictureOptions& = {});

/// A kind of picture file that people bring.
struct PictureFormat {
  std::string name;                   // "HEIC"
  bool is_read = false;               // by this build
  std::vector<std::string> suffixes;  // ".heic", in lower case
  std::string conversion;             // the command that makes a PNG or JPEG of IN: "heif-convert IN OUT.jpg"
  std::string missing_library = {};   // why this build does not read what others do; empty: it does, or none does
};
const std::vector<PictureFormat>& picture_formats();
/// By the suffix of a name, whatever its case; null: no picture's.
const PictureFormat* picture_format_of_name(const std::string& path);
/// By the file's first bytes (64 are enough); null: none that is known.
const PictureFormat* picture_format_of_bytes(std::span<const unsigned char> first);
/// Has a suffix that this build reads.
bool is_picture_name(const std::string& path);

}  // namespace md
