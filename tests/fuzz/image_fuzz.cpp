// Whatever the bytes, each decoder of colour gives a picture of the size that it says, or refuses; where both JPEG
// decoders take a file, they agree on its size. Seeds: JPEGs (colour, grey, progressive) and PNGs.
#include <optional>

#include "data/codecs.h"
#include "tests/data/test_images.h"
#include "tests/fuzz/fuzz.h"
#ifdef MD_WITH_LIBJPEG
#include <jpeglib.h>
#endif

namespace md::test {
namespace {

#ifdef MD_WITH_LIBJPEG
/// A JPEG that the program itself never writes.
std::string foreign_jpeg(int channels, bool progressive) {
  constexpr unsigned height = 17, width = 20;
  std::vector<unsigned char> row(width * 3, 90);
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &bytes, &size);
  codec.image_height = height;
  codec.image_width = width;
  codec.input_components = channels;
  codec.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&codec);
  if (progressive) jpeg_simple_progression(&codec);
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < height) {
    row[codec.next_scanline] = 200;
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&codec, &rows, 1);
  }
  jpeg_finish_compress(&codec);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&codec);
  std::free(bytes);
  return file;
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
