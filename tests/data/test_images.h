// Small synthetic frames, and PNGs of formats that are not for us.
#pragma once
#include <png.h>

#include <algorithm>
#include <string>
#include <vector>

#include "data/image_io.h"

namespace md::test {

/// Smooth but everywhere different, so that shifted or mixed-up pixels show.
inline RgbImage test_image(int height, int width, int seed = 0) {
  RgbImage image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {3 * x + seed, 2 * y + 40, x + y + 5 * seed}) {
        image.pixels.push_back(static_cast<std::uint8_t>(value % 256));
      }
    }
  }
  return image;
}

/// Every third pixel is not measured.
inline DepthImage test_depth(int height, int width, int seed = 0) {
  DepthImage image{height, width, {}};
  for (int i = 0; i < height * width; ++i) {
    image.pixels.push_back(static_cast<std::uint16_t>(i % 3 == 0 ? 0 : 500 + (i * 7 + seed * 131) % 8000));
  }
  return image;
}

/// A PNG that the program itself never writes, by libpng's simplified interface.
inline std::string foreign_png(png_uint_32 format, int height, int width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = png_uint_32(width);
  image.height = png_uint_32(height);
  image.format = format;
  std::vector<std::uint16_t> pixels(std::size_t(height) * width * 4, 0x1234), colours(1024, 7);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (format & PNG_FORMAT_FLAG_COLORMAP) {
    image.colormap_entries = 2;
    std::fill(pixels.begin(), pixels.end(), std::uint16_t{0});
  }
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, colours.data());
  bytes.resize(size);
  return bytes;
}

}  // namespace md::test
