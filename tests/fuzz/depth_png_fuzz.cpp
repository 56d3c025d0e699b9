// Whatever the bytes, the depth reader gives a picture of the size that it says, or refuses. Seeds: 16-bit grey PNGs,
// and every format that is not for depth.
#include "data/codecs.h"
#include "tests/data/test_images.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds = {encode_png(test_depth(3, 5), "seed"), encode_png(DepthImage{1, 1, {65535}}, "seed"),
                                    encode_png(test_image(2, 3), "seed")};
  constexpr png_uint_32 formats[] = {PNG_FORMAT_GRAY,       PNG_FORMAT_RGBA,           PNG_FORMAT_LINEAR_Y,
                                     PNG_FORMAT_LINEAR_RGB, PNG_FORMAT_LINEAR_Y_ALPHA, PNG_FORMAT_RGB_COLORMAP};
  for (const png_uint_32 format : formats) seeds.push_back(foreign_png(format, 4, 3));
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  const DepthImage image =
      decode_png_depth({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()}, "file");
  require(image.height > 0 && image.width > 0 && std::int64_t{image.height} * image.width <= max_image_pixels, "size");
  require(image.pixels.size() == std::size_t(image.height) * image.width, "pixels");
}

}  // namespace md::test
