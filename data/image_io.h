// Images on disk, as training and evaluation read them. Colour: 8-bit JPEG or any PNG, which become 8-bit RGB. Depth:
// 16-bit grey PNG and nothing else. Pixels are taken as they are stored: alpha is dropped and EXIF's orientation is not
// applied, since a picture and its depth must lie alike. What loses pixels is refused; what libjpeg merely remarks on
// is read. What a header claims is checked before memory is taken for it: no file makes a reader use more than about
// 400 MB. Users' photos are read by picture.h. Errors name the file: ErrorKind::missing (not there), bad_data (damaged,
// another format), cannot_write.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace md {

/// A colour picture, 8 bits a channel.
struct RgbImage {
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels;  // [H,W,3]
};

/// Depth in the units of the file (NYU millimetres, KITTI 1/256 m); 0 = no measurement.
struct DepthImage {
  int height = 0, width = 0;
  std::vector<std::uint16_t> pixels;  // [H,W]
};

/// Limits of what is read; larger pictures are refused.
inline constexpr int max_image_side = 16384;
inline constexpr int max_image_pixels = 1 << 25;  // 8192x4096

/// A JPEG or a PNG; a 16-bit grey PNG. Throw, naming the file, ErrorKind::missing, or ErrorKind::bad_data for another
/// format, size or a damaged file.
RgbImage read_rgb(const std::string& path);
DepthImage read_depth(const std::string& path);
/// read_rgb, and what EXIF says of how the picture is held: 1 to 8, 1 for "as it is stored" or nothing. Not applied.
RgbImage read_rgb(const std::string& path, int& orientation);

/// Written beside and renamed: never a half-written file.
void write_png(const std::string& path, const RgbImage&);
void write_png(const std::string& path, const DepthImage&);
/// Throws ErrorKind::cannot_write in a program built without libjpeg.
void write_jpeg(const std::string& path, const RgbImage&, int quality = 95);

/// A picture as the bytes of a file, and what kind of file: a JPEG, or in a program built without libjpeg a PNG.
struct EncodedPicture {
  std::string bytes, media_type;  // "image/jpeg"
};
EncodedPicture encode_photo(const RgbImage&, int quality = 95);

/// What read_rgb decodes JPEG with: "libjpeg-turbo" or "stb_image". Goes into the run's config.
const char* jpeg_decoder_name();

}  // namespace md
