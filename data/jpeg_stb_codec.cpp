// JPEG where libjpeg-turbo is not found at build time.
#include <stb_image.h>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

// Cameras and editors may leave zero bytes after the end-of-image marker FF D9; a truncated file lacks the marker.
bool ends_with_marker(Bytes bytes) {
  std::size_t n = bytes.size();
  while (n > 0 && bytes[n - 1] == 0) --n;
  return n >= 2 && bytes[n - 2] == 0xFF && bytes[n - 1] == 0xD9;
}

// Each scan of a progressive file costs a pass over the whole image. In data FF is followed by 0, so this is a marker.
bool has_too_many_scans(Bytes bytes) {
  int scans = 0;
  for (std::size_t i = 1; i < bytes.size(); ++i) scans += bytes[i - 1] == 0xFF && bytes[i] == 0xDA;
  return scans > max_jpeg_scans;
}

}  // namespace

RgbImage decode_jpeg_stb(Bytes bytes, const std::string& name) {
  if (bytes.size() < 2 || bytes[0] != 0xFF || bytes[1] != 0xD8)
    fail(Exit::bad_data, name, ": no JPEG");  // stb reads more
  if (!ends_with_marker(bytes)) fail(Exit::bad_data, name, ": truncated JPEG (no end-of-image marker)");
  if (has_too_many_scans(bytes)) fail(Exit::bad_data, name, ": damaged JPEG (more than ", max_jpeg_scans, " scans)");
  RgbImage image;
  int channels = 0;
  const int size = int(bytes.size());
  stbi_uc* pixels = nullptr;
  if (stbi_info_from_memory(bytes.data(), size, &image.width, &image.height, &channels)) {
    char reason[80];
    if (!is_readable_size(unsigned(image.width), unsigned(image.height), reason))
      fail(Exit::bad_data, name, ": ", reason);
    pixels = stbi_load_from_memory(bytes.data(), size, &image.width, &image.height, &channels, 3);
  }
  if (!pixels) fail(Exit::bad_data, name, ": damaged JPEG (", stbi_failure_reason(), ")");
  image.pixels.assign(pixels, pixels + std::size_t(image.height) * image.width * 3);
  stbi_image_free(pixels);
  return image;
}

}  // namespace md
