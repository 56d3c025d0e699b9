// Files from and to memory; which codec a file needs is told by its first bytes, never by its name.
#include "data/image_io.h"

#include <array>

#include "data/codecs.h"
#include "engine/check.h"
#include "engine/durable_file.h"

namespace md {
namespace {

constexpr std::uintmax_t max_file_bytes = 1U << 27;  // more than max_image_pixels take, uncompressed

/// Told by its first bytes.
enum class Kind { png, jpeg, other };
Kind kind_of(const ByteSource& source) {
  std::array<unsigned char, 8> first{};
  const std::size_t got = source.read(0, first);
  constexpr std::array<unsigned char, 8> png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (got == 8 && first == png) return Kind::png;
  return got >= 3 && first[0] == 0xFF && first[1] == 0xD8 && first[2] == 0xFF ? Kind::jpeg : Kind::other;
}

/// "; it is GIF: convert 'IN[0]' OUT.png", or nothing.
std::string name_of_other(const ByteSource& source) {
  std::array<unsigned char, 64> first{};
  const PictureFormat* format = picture_format_of_bytes(std::span(first).first(source.read(0, first)));
  return format ? cat("; it is ", format->name, ": ", format->conversion) : "";
}

void check_file_size(const ByteSource& source, const std::string& path) {
  if (source.size() > max_file_bytes)
    fail(ErrorKind::bad_data, path, ": ", source.size(), " bytes are too many for an image");
}

template <class Image>
void check_writable(const std::string& path, const Image& image, std::size_t samples_a_pixel) {
  MD_CHECK(image.height > 0 && image.width > 0 &&
               image.pixels.size() == std::size_t(image.height) * image.width * samples_a_pixel,
           path, ": image of ", image.height, "x", image.width, " has ", image.pixels.size(), " samples");
}

}  // namespace

const char* jpeg_decoder_name() {
#ifdef MD_WITH_LIBJPEG
  return "libjpeg-turbo";
#else
  return "stb_image";
#endif
}

RgbImage read_rgb(const std::string& path) {
  int ignored = 1;
  return read_rgb(path, ignored);
}

RgbImage read_rgb(const std::string& path, int& orientation) {
  const ByteSource source(path);
  check_file_size(source, path);
  const Kind kind = kind_of(source);
  if (kind == Kind::other) fail(ErrorKind::bad_data, path, ": neither a JPEG nor a PNG file", name_of_other(source));
  PictureRows rows({.name = path});
  const Exif exif = kind == Kind::png ? stream_png(source, rows, false) : stream_jpeg(source, rows, false);
  orientation = exif.orientation;
  return rows.finish();
}

DepthImage read_depth(const std::string& path) {
  const ByteSource source(path);
  check_file_size(source, path);
  if (kind_of(source) != Kind::png)
    fail(ErrorKind::bad_data, path, ": depth must be a 16-bit grey PNG; this is no PNG file");
  std::vector<unsigned char> storage;
  return decode_png_depth(source.whole(storage), path);
}

void write_png(const std::string& path, const RgbImage& image) {
  check_writable(path, image, 3);
  write_file_durably(path, encode_png(image, path));
}

void write_png(const std::string& path, const DepthImage& image) {
  check_writable(path, image, 1);
  write_file_durably(path, encode_png(image, path));
}

void write_jpeg(const std::string& path, const RgbImage& image, [[maybe_unused]] int quality) {
  check_writable(path, image, 3);
#ifdef MD_WITH_LIBJPEG
  write_file_durably(path, encode_jpeg_turbo(image, quality, path));
#else
  fail(ErrorKind::cannot_write, path, ": this program was built without libjpeg and cannot write JPEG");
#endif
}

}  // namespace md
