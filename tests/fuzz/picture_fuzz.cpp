// Whatever the bytes, read_picture gives an upright picture of the size that it says, whole or reduced, or refuses.
// Seeds: a small file of every format, turned by EXIF, with and without alpha.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "data/codecs.h"
#include "tests/data/picture_files.h"
#include "tests/fuzz/fuzz.h"

namespace md::test {
namespace {

constexpr std::int64_t most_pixels = 1 << 20;  // a fuzzer's time is better spent than on large pictures

Picture picture_of(const std::string& bytes, Alpha alpha, int shorter_side) {
  const ByteSource source({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
  return decode_picture(source, {.name = "file",
                                 .alpha = alpha,
                                 .shorter_side = shorter_side,
                                 .max_side = max_picture_side,
                                 .max_pixels = most_pixels});
}

void require_sound(const Picture& picture, int shorter_side) {
  const RgbImage& image = picture.image;
  require(picture.height > 0 && picture.width > 0 && std::int64_t{picture.height} * picture.width <= most_pixels,
          "size");
  require(image.pixels.size() == std::size_t(image.height) * image.width * 3, "pixels");
  require(image.height <= picture.height && image.width <= picture.width, "larger than the file's");
  const int side = std::min(picture.height, picture.width), wanted = shorter_side == 0 ? side : shorter_side;
  require(std::min(image.height, image.width) >= std::min(side, wanted), "smaller than asked for");
  require(picture.orientation >= 1 && picture.orientation <= 8 && picture.focal_35mm >= 0, "EXIF");
}

void add_pngs(std::vector<std::string>& seeds) {
  const auto sample = [](int y, int x, int c) { return unsigned(y + x + c) % 2; };
  for (const PngKind& kind :
       {PngKind{.bit_depth = 1, .colour = PNG_COLOR_TYPE_GRAY, .interlaced = true},
        PngKind{.colour = PNG_COLOR_TYPE_PALETTE, .palette = {{1, 2, 3}, {4, 5, 6}}, .transparency = "\x40"},
        PngKind{.bit_depth = 16, .colour = PNG_COLOR_TYPE_RGB_ALPHA}})
    seeds.push_back(with_chunk(png_of(kind, sample), "eXIf" + exif_block({.orientation = 6, .focal_35mm = 26})));
}

void add_jpegs([[maybe_unused]] std::vector<std::string>& seeds) {
#ifdef MD_WITH_LIBJPEG
  const std::string block = exif_block({.orientation = 5, .focal_35mm = 26, .big = true});
  for (const JpegKind& kind : {JpegKind{}, JpegKind{.progressive = true}, JpegKind{.arithmetic = true, .restart = 2},
                               JpegKind{.channels = 4, .input = JCS_CMYK, .stored = JCS_YCCK}})
    seeds.push_back(with_exif(jpeg_of(kind, smooth), block));
#endif
}

void add_bmps(std::vector<std::string>& seeds) {
  const auto pixel = [](int y, int x) { return std::uint32_t(y + x) % 2; };
  seeds.push_back(bmp_of({}, pixel));
  seeds.push_back(bmp_of({.height = -3, .bits = 32, .masks = {0xFF0000, 0xFF00, 0xFF, 0xFF000000}}, pixel));
  seeds.push_back(bmp_of({.bits = 4, .palette = number(1, 4, false) + number(2, 4, false)}, pixel));
}

void add_webps([[maybe_unused]] std::vector<std::string>& seeds) {
#ifdef MD_WITH_WEBP
  const std::string block = exif_block({.orientation = 8});
  seeds.push_back(webp_of(6, 7, 3, test_image(6, 7).pixels, true, block));
  seeds.push_back(webp_of(16, 18, 3, test_image(16, 18).pixels, false));
  seeds.push_back(webp_of(6, 5, 4, std::vector<std::uint8_t>(6 * 5 * 4, 100), false, block));
#endif
}

void add_tiffs([[maybe_unused]] std::vector<std::string>& seeds) {
#ifdef MD_WITH_TIFF
  const auto sample = [](int y, int x, int c) { return unsigned(y + x + c); };
  const std::string path = (std::filesystem::temp_directory_path() / ("seed" + std::to_string(getpid()))).string();
  for (const TiffKind& kind :
       {TiffKind{.orientation = 7}, TiffKind{.channels = 4, .alpha = EXTRASAMPLE_UNASSALPHA},
        TiffKind{.channels = 1, .photometric = PHOTOMETRIC_PALETTE, .compression = COMPRESSION_LZW},
        TiffKind{.bits = 16, .compression = COMPRESSION_ADOBE_DEFLATE, .tile = 16, .big = true},
        TiffKind{.height = 16, .width = 16, .compression = COMPRESSION_JPEG, .rows = 16}}) {
    write_tiff(path, kind, sample);
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    std::filesystem::remove(path);
  }
#endif
}

void add_heifs([[maybe_unused]] std::vector<std::string>& seeds) {
#ifdef MD_WITH_HEIF
  for (const bool av1 : {false, true}) {
    const std::string seed = heif_of(test_image(64, 64), av1, 6, exif_block({.orientation = 6, .focal_35mm = 26}));
    if (!seed.empty()) seeds.push_back(seed);
  }
#endif
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds = {"GIF89a", "II*",
                                    std::string("\0\0\0\x18"
                                                "ftypheic",
                                                12)};
  add_pngs(seeds);
  add_jpegs(seeds);
  add_bmps(seeds);
  add_webps(seeds);
  add_tiffs(seeds);
  add_heifs(seeds);
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  const Picture whole = picture_of(bytes, Alpha::over_white, 0);
  require_sound(whole, 0);
  require(whole.image.height == whole.height && whole.image.width == whole.width, "not whole");
  const Picture reduced = picture_of(bytes, Alpha::ignore, 2);
  require_sound(reduced, 2);
  require(reduced.height == whole.height && reduced.width == whole.width, "two sizes for one file");
}

}  // namespace md::test
