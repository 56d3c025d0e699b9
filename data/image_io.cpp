// Files from and to memory; which codec a file needs is told by its first bytes, never by its name.
#include "data/image_io.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "data/codecs.h"
#include "data/file_status.h"
#include "engine/check.h"
#include "engine/durable_file.h"

namespace md {
namespace {

constexpr std::uintmax_t max_file_bytes = 1U << 27;  // more than max_image_pixels take, uncompressed

std::vector<unsigned char> read_file(const std::string& path) {
  const std::filesystem::file_status status = status_of(path);
  if (!std::filesystem::exists(status)) fail(ErrorKind::missing, path, ": no such file");
  if (!std::filesystem::is_regular_file(status)) fail(ErrorKind::bad_data, path, ": not a file");
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(ErrorKind::missing, path, ": ", error.message());
  if (size > max_file_bytes) fail(ErrorKind::bad_data, path, ": ", size, " bytes are too many for an image");
  std::vector<unsigned char> bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(size))) {
    fail(ErrorKind::missing, path, ": cannot be read");
  }
  return bytes;
}

bool begins_with(Bytes bytes, std::initializer_list<unsigned char> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}
bool is_png(Bytes bytes) { return begins_with(bytes, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}); }
bool is_jpeg(Bytes bytes) { return begins_with(bytes, {0xFF, 0xD8, 0xFF}); }

template <class Image>
void check_writable(const std::string& path, const Image& image, std::size_t samples_a_pixel) {
  MD_CHECK(image.height > 0 && image.width > 0 &&
               image.pixels.size() == std::size_t(image.height) * image.width * samples_a_pixel,
           path, ": image of ", image.height, "x", image.width, " has ", image.pixels.size(), " samples");
}

}  // namespace

bool is_readable_size(unsigned width, unsigned height, std::span<char> reason) {
  if (width > max_image_side || height > max_image_side) {
    std::snprintf(reason.data(), reason.size(), "%ux%u pixels are more than %d a side", width, height, max_image_side);
    return false;
  }
  if (width * height > max_image_pixels) {  // below 2^28
    std::snprintf(reason.data(), reason.size(), "%ux%u pixels are more than %d", width, height, max_image_pixels);
    return false;
  }
  return true;
}

const char* jpeg_decoder_name() {
#ifdef MD_WITH_LIBJPEG
  return "libjpeg-turbo";
#else
  return "stb_image";
#endif
}

RgbImage read_rgb(const std::string& path) {
  const auto bytes = read_file(path);
  if (is_png(bytes)) return decode_png_rgb(bytes, path);
  if (!is_jpeg(bytes)) fail(ErrorKind::bad_data, path, ": neither a JPEG nor a PNG file");
#ifdef MD_WITH_LIBJPEG
  return decode_jpeg_turbo(bytes, path);
#else
  return decode_jpeg_stb(bytes, path);
#endif
}

DepthImage read_depth(const std::string& path) {
  const auto bytes = read_file(path);
  if (!is_png(bytes)) fail(ErrorKind::bad_data, path, ": depth must be a 16-bit grey PNG; this is no PNG file");
  return decode_png_depth(bytes, path);
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
