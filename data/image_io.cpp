// Files from and to memory; which codec a file needs is told by its first bytes, never by its name.
#include "data/image_io.h"

#include "data/codecs.h"
#include "engine/check.h"
#include "engine/durable_file.h"

namespace md {
namespace {

constexpr std::uint64_t max_file_bytes = 1U << 27;  // more than max_image_pixels take, uncompressed

bool is_named(const PictureFormat* format, const std::string& name) { return format && format->name == name; }

template <class Image>
void check_writable(const std::string& path, const Image& image, std::size_t samples_a_pixel) {
  MD_CHECK(image.height > 0 && image.width > 0 &&
               image.pixels.size() == std::size_t(image.height) * image.width * samples_a_pixel,
           path, ": image of ", image.height, "x", image.width, " has ", image.pixels.size(), " samples");
}

}  // namespace

void check_image_bytes(const ByteSource& source, const std::string& name) {
  if (source.size() > max_file_bytes)
    fail(ErrorKind::bad_data, name, ": ", source.size(), " bytes are too many for an image");
}

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
  check_image_bytes(source, path);
  const PictureFormat* const format = format_of(source);
  const bool png = is_named(format, "PNG");
  if (!png && !is_named(format, "JPEG"))
    fail(ErrorKind::bad_data, path, ": neither a JPEG nor a PNG file",
         format ? cat("; it is ", format->name, ": ", format->conversion) : "");
  PictureRows rows({.name = path});
  const Exif exif = png ? stream_png(source, rows, false) : stream_jpeg(source, rows, false);
  orientation = exif.orientation;
  return rows.finish();
}

DepthImage read_depth(const std::string& path) {
  const ByteSource source(path);
  check_image_bytes(source, path);
  if (!is_named(format_of(source), "PNG"))
    fail(ErrorKind::bad_data, path, ": depth must be a 16-bit grey PNG; this is no PNG file");
  return decode_png_depth(source, path);
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

EncodedPicture encode_photo(const RgbImage& image, [[maybe_unused]] int quality) {
  const std::string name = "picture";
  check_writable(name, image, 3);
#ifdef MD_WITH_LIBJPEG
  return {encode_jpeg_turbo(image, quality, name), "image/jpeg"};
#else
  return {encode_png(image, name), "image/png"};
#endif
}

}  // namespace md
