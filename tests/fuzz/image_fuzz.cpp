// Whatever the bytes, each decoder of colour gives a picture of the size that it says, or refuses; where both JPEG
// decoders take a file, they agree on its size. Seeds: JPEGs (colour, grey, progressive) and PNGs.
#include <optional>

#include "data/codecs.h"
#include "tests/data/picture_files.h"
#include "tests/data/test_images.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {
namespace {

#ifdef MD_WITH_LIBJPEG
std::string foreign_jpeg(int channels, bool progressive) {
  const J_COLOR_SPACE input = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  return jpeg_of({.channels = channels,
                  .input = input,
                  .stored = channels == 1 ? input : JCS_YCbCr,
                  .progressive = progressive,
                  .quality = 75},
                 [channels](int y, int x, int channel) { return x * channels + channel <= y ? 200 : 90; });
}
#endif

using Decoder = RgbImage (*)(Bytes, const std::string&);

std::optional<RgbImage> decoded(Decoder decode, const std::string& bytes) {
  try {
    RgbImage image = decode({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()}, "file");
    require(image.height > 0 && image.width > 0 && std::int64_t{image.height} * image.width <= max_image_pixels,
            "size");
    require(image.pixels.size() == std::size_t(image.height) * image.width * 3, "pixels");
    return image;
  } catch (const Error& error) {
    require_refusal(error);
    return std::nullopt;
  }
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds = {encode_png(test_image(3, 5), "seed"), foreign_png(PNG_FORMAT_RGB_COLORMAP, 4, 3)};
  // Found by libFuzzer: stb_image took a PNG for a JPEG, and its message repeated the unprintable name of a chunk.
  std::string chunk = seeds[0];
  seeds.push_back(chunk.replace(chunk.find("IDAT"), 4, "\x1F\xFF\xDA\x20") + "\xFF\xD9");
#ifdef MD_WITH_LIBJPEG
  seeds.push_back(encode_jpeg_turbo(test_image(9, 16), 60, "seed"));
  std::string table = seeds.back();  // also found: stb_image read outside of a Huffman table of 256 codes
  seeds.push_back(table.replace(table.find("\xFF\xC4") + 20, 1, "\xFF"));
  for (const bool progressive : {false, true}) {
    for (const int channels : {1, 3}) seeds.push_back(foreign_jpeg(channels, progressive));
  }
#endif
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  decoded(decode_png_rgb, bytes);
  const auto stb = decoded(decode_jpeg_stb, bytes);
#ifdef MD_WITH_LIBJPEG
  const auto turbo = decoded(decode_jpeg_turbo, bytes);
  require(!stb || !turbo || (stb->height == turbo->height && stb->width == turbo->width), "two sizes for one JPEG");
#endif
}

}  // namespace md::test
