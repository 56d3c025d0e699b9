// Photos as phones, cameras and desktops write them: upright, every kind of PNG, JPEG, TIFF, WebP, HEIC and BMP against
// the format's own definition in loops, what is harmless against what loses pixels, names of what is not read, and
// memory.
#include "data/picture.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "data/codecs.h"
#include "data/heif_codec.h"
#include "tests/data/data_files.h"
#include "tests/data/picture_files.h"

namespace md {
namespace {

using test::exif_block;
using test::fails;
using test::png_of;
using test::PngKind;
using test::stored_as;
using test::test_image;

class PictureTest : public test::DataFolder {};

Bytes as_bytes(const std::string& text) { return {reinterpret_cast<const unsigned char*>(text.data()), text.size()}; }

Picture picture_of(const std::string& bytes, const PictureOptions& options = {}) {
  return decode_picture(ByteSource(as_bytes(bytes)), {.name = "photo",
                                                      .alpha = options.alpha,
                                                      .shorter_side = options.shorter_side,
                                                      .max_side = max_picture_side,
                                                      .max_pixels = max_picture_pixels});
}

/// The most memory that this process ever had, in MiB.
long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

void expect_same(const RgbImage& got, const RgbImage& wanted, const std::string& what) {
  EXPECT_EQ(got.height, wanted.height) << what;
  EXPECT_EQ(got.width, wanted.width) << what;
  EXPECT_TRUE(got.pixels == wanted.pixels) << what;
}

#ifdef MD_WITH_LIBJPEG
/// The largest difference of two pictures of one size.
int difference(const RgbImage& a, const RgbImage& b) {
  if (a.pixels.size() != b.pixels.size() || a.width != b.width) return 1000;
  int most = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  return most;
}
#endif

/// round(sum / pixels) over boxes of side `box` from the first stored pixel on.
RgbImage boxes_of(const RgbImage& image, int box) {
  RgbImage out{(image.height + box - 1) / box, (image.width + box - 1) / box, {}};
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        unsigned sum = 0, pixels = 0;
        for (int v = y * box; v < std::min(image.height, (y + 1) * box); ++v) {
          for (int u = x * box; u < std::min(image.width, (x + 1) * box); ++u, ++pixels)
            sum += image.pixels[(std::size_t(v) * image.width + u) * 3 + std::size_t(c)];
        }
        out.pixels.push_back(std::uint8_t((sum + pixels / 2) / pixels));
      }
    }
  }
  return out;
}

std::string png_with_exif(const RgbImage& image, const std::string& block, bool behind = false) {
  return test::with_chunk(encode_png(image, "photo"), "eXIf" + block, behind);
}

// --- Orientation -----------------------------------------------------------------------------------------------------

TEST_F(PictureTest, PngsOfAllOrientationsComeOutUpright) {
  for (const auto& [height, width] : {std::pair{21, 13}, {5, 40}, {1, 1}, {48, 17}}) {
    const RgbImage upright = test_image(height, width);
    for (int orientation = 1; orientation <= 8; ++orientation) {
      for (const bool big : {false, true}) {
        const std::string block = exif_block({.orientation = orientation, .focal_35mm = 26, .big = big, .longs = big});
        const Picture got = picture_of(png_with_exif(stored_as(upright, orientation), block, big));
        const std::string what = cat(width, "x", height, ", orientation ", orientation);
        expect_same(got.image, upright, what);
        EXPECT_EQ(got.height, height) << what;
        EXPECT_EQ(got.width, width) << what;
        EXPECT_EQ(got.orientation, orientation) << what;
        EXPECT_EQ(got.focal_35mm, 26) << what;
      }
    }
  }
}

TEST_F(PictureTest, ReducedPicturesAreTurnedToo) {
  const RgbImage upright = test_image(53, 91);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const RgbImage stored = stored_as(upright, orientation);
    const std::string png = png_with_exif(stored, exif_block({.orientation = orientation}));
    for (const auto& [side, box] : {std::pair{53, 1}, {27, 1}, {26, 2}, {13, 4}, {10, 5}, {1, 53}}) {
      const Picture got = picture_of(png, {.shorter_side = side});
      // What was averaged as stored, stored as it was, is what came out, stored likewise.
      expect_same(stored_as(got.image, orientation), boxes_of(stored, box), cat(orientation, ", ", side));
      EXPECT_GE(std::min(got.image.height, got.image.width), side);
      EXPECT_EQ(got.height, 53);
      EXPECT_EQ(got.width, 91);
    }
  }
}

// A JPEG's, WebP's and TIFF's orientation, each against the same pixels as stored.
#ifdef MD_WITH_LIBJPEG
TEST_F(PictureTest, JpegsOfAllOrientationsComeOutUpright) {
  const std::string jpeg = encode_jpeg_turbo(test_image(30, 44), 90, "photo");
  const RgbImage stored = decode_jpeg_turbo(as_bytes(jpeg), "photo");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string file =
        test::with_exif(jpeg, exif_block({.orientation = orientation, .focal_35mm = 28, .big = orientation % 2 == 0}));
    PictureRows rows({.name = "photo"});
    const Picture got = picture_of(file);
    expect_same(stored_as(got.image, orientation), stored, cat("orientation ", orientation));
    EXPECT_EQ(got.orientation, orientation);
    EXPECT_EQ(got.focal_35mm, 28);
    // And of the decoder for builds without libjpeg.
    stream_jpeg_stb(ByteSource(as_bytes(file)), rows, true);
    expect_same(stored_as(rows.finish(), orientation), decode_jpeg_stb(as_bytes(jpeg), "photo"), "stb");
    // Training wants pixels as they are stored, and can ask.
    write("photo.jpg", file);
    int said = 0;
    expect_same(read_rgb(path("photo.jpg"), said), stored, "read_rgb");
    EXPECT_EQ(said, orientation);
  }
}

TEST_F(PictureTest, JpegsAreReducedByHalves) {
  const std::string jpeg = test::jpeg_of({.height = 203, .width = 301, .quality = 98}, [](int y, int x, int c) {
    return int(128 + 60 * std::sin(x / 40.0 + c) + 60 * std::cos(y / 30.0));
  });
  const RgbImage whole = picture_of(jpeg).image;
  for (const auto& [side, parts] :
       {std::pair{103, 1}, {102, 2}, {52, 2}, {51, 4}, {27, 4}, {26, 8}, {14, 8}, {13, 16}}) {
    const Picture got = picture_of(jpeg, {.shorter_side = side});
    EXPECT_EQ(got.image.height, (203 + parts - 1) / parts) << side;
    EXPECT_EQ(got.image.width, (301 + parts - 1) / parts) << side;
    EXPECT_GE(got.image.height, side);
    EXPECT_EQ(got.height, 203);
    // The DCT's way to half the size is close to averages; the last box may hang over the picture's edge.
    EXPECT_LE(difference(got.image, boxes_of(whole, parts)), 8) << side;
  }
}
#endif

#ifdef MD_WITH_WEBP
TEST_F(PictureTest, WebpOfAllOrientationsComesOutUpright) {
  const RgbImage upright = test_image(19, 26);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const RgbImage stored = stored_as(upright, orientation);
    // Some programs begin the block as JPEG's segment begins.
    const std::string block =
        std::string("Exif\0\0", orientation % 2 ? 6 : 0) + exif_block({.orientation = orientation, .focal_35mm = 24});
    const Picture got = picture_of(test::webp_of(stored.height, stored.width, 3, stored.pixels, true, block));
    expect_same(got.image, upright, cat("orientation ", orientation));
    EXPECT_EQ(got.orientation, orientation);
    EXPECT_EQ(got.focal_35mm, 24);
  }
}
#endif

#ifdef MD_WITH_TIFF
unsigned sample_of(const RgbImage& image, int y, int x, int c) {
  return image.pixels[(std::size_t(y) * image.width + x) * 3 + std::size_t(c)];
}

TEST_F(PictureTest, TiffsOfAllOrientationsComeOutUpright) {
  const RgbImage upright = test_image(34, 20);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const RgbImage stored = stored_as(upright, orientation);
    for (const int tile : {0, 16}) {
      test::write_tiff(path("photo.tif"),
                       {.height = stored.height, .width = stored.width, .orientation = orientation, .tile = tile},
                       [&](int y, int x, int c) { return sample_of(stored, y, x, c); });
      const Picture got = read_picture(path("photo.tif"));
      expect_same(got.image, upright, cat("orientation ", orientation, ", tile ", tile));
      EXPECT_EQ(got.orientation, orientation);
      EXPECT_EQ(got.height, 34);
    }
  }
}
#endif

#ifdef MD_WITH_HEIF
/// Four quarters of one colour each, which survive a codec.
RgbImage quarters(int height, int width) {
  RgbImage image{height, width, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const bool low = y >= height / 2, right = x >= width / 2;
      for (const int value : {low ? 200 : 60, right ? 180 : 50, low == right ? 90 : 160})
        image.pixels.push_back(std::uint8_t(value));
    }
  }
  return image;
}

/// Colours in the middle of each quarter agree within what lossy coding takes.
bool like_quarters(const RgbImage& got, const RgbImage& wanted) {
  if (got.height != wanted.height || got.width != wanted.width) return false;
  for (const int y : {wanted.height / 4, wanted.height * 3 / 4}) {
    for (const int x : {wanted.width / 4, wanted.width * 3 / 4}) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t at = (std::size_t(y) * wanted.width + x) * 3 + c;
        if (std::abs(got.pixels[at] - wanted.pixels[at]) > 12) return false;
      }
    }
  }
  return true;
}

// The file says twice how it is held, as phones write it: by its own property, and by EXIF.
TEST_F(PictureTest, HeicAndAvifAreTurnedOnce) {
  int tried = 0;
  for (const bool av1 : {false, true}) {
    if (!heif_can_decode(av1)) continue;
    for (const int orientation : {1, 3, 6, 8}) {
      const RgbImage upright = quarters(64, 96);
      const std::string file = test::heif_of(stored_as(upright, orientation), av1, orientation,
                                             exif_block({.orientation = orientation, .focal_35mm = 13}));
      if (file.empty()) continue;
      ++tried;
      const Picture got = picture_of(file);
      EXPECT_TRUE(like_quarters(got.image, upright)) << (av1 ? "AVIF " : "HEIC ") << orientation;
      EXPECT_EQ(got.height, 64);
      EXPECT_EQ(got.width, 96);
      EXPECT_EQ(got.focal_35mm, 13);
      const std::string cut = file.substr(0, file.size() * 2 / 3);
      EXPECT_TRUE(fails([&] { picture_of(cut); }, ErrorKind::bad_data, "photo: "));
    }
  }
  if (tried == 0) GTEST_SKIP() << "libheif has no encoder and decoder of one format";
}
#endif

// Whatever the block, the picture is read; what is not there is not read.
TEST_F(PictureTest, DamagedExifSaysNothing) {
  const RgbImage stored = test_image(6, 9);
  const auto read = [&](const std::string& block) { return picture_of(png_with_exif(stored, block)); };
  const std::string whole = exif_block({.orientation = 6, .focal_35mm = 35});
  EXPECT_EQ(read(whole).orientation, 6);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Picture got = read(whole.substr(0, size));
    if (size < 8 + 2 + 24) {
      EXPECT_EQ(got.orientation, 1) << size;
    }
    expect_same(stored_as(got.image, got.orientation), stored, cat("cut at ", size));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string block = whole;
    for (int k = 0; k < 3; ++k) block[random() % block.size()] = char(random());
    const Picture got = read(block);
    expect_same(stored_as(got.image, got.orientation), stored, "noise");
    EXPECT_GE(got.focal_35mm, 0);
  }
  for (const int nonsense : {0, 9, 255, 65535}) EXPECT_EQ(read(exif_block({.orientation = nonsense})).orientation, 1);
}

// --- PNG -------------------------------------------------------------------------------------------------------------

/// What the format says a pixel is, in loops and doubles: colour and alpha from 0 to 1.
struct Rgba {
  double colour[3] = {}, alpha = 1;
};
Rgba meaning(const PngKind& kind, const std::function<unsigned(int, int, int)>& sample, int y, int x) {
  const double most = double((1U << kind.bit_depth) - 1);
  const bool grey = kind.colour == PNG_COLOR_TYPE_GRAY || kind.colour == PNG_COLOR_TYPE_GRAY_ALPHA;
  Rgba pixel;
  if (kind.colour == PNG_COLOR_TYPE_PALETTE) {
    const unsigned index = sample(y, x, 0);
    const png_color& entry = kind.palette[index];
    const double rgb[] = {entry.red / 255.0, entry.green / 255.0, entry.blue / 255.0};
    std::copy(rgb, rgb + 3, pixel.colour);
    if (index < kind.transparency.size()) pixel.alpha = static_cast<unsigned char>(kind.transparency[index]) / 255.0;
    return pixel;
  }
  bool is_key = !kind.transparency.empty();
  for (int c = 0; c < 3; ++c) {
    const unsigned value = sample(y, x, grey ? 0 : c);
    pixel.colour[c] = value / most;
    if (is_key) {
      const auto* key = reinterpret_cast<const unsigned char*>(kind.transparency.data()) + (grey ? 0 : 2 * c);
      is_key = value == unsigned(key[0] << 8 | key[1]);
    }
  }
  if (is_key) pixel.alpha = 0;
  if (kind.colour & PNG_COLOR_MASK_ALPHA) pixel.alpha = sample(y, x, grey ? 1 : 3) / most;
  return pixel;
}

void expect_png(const PngKind& kind, const std::string& what) {
  const auto sample = [&](int y, int x, int c) {
    const unsigned value =
        unsigned(y * 37 + x * 101 + c * 59 + (c == 3 || (c == 1 && kind.colour == 4) ? 17 * x * y : 0));
    if (kind.bit_depth == 16) return value * 409 % 65536;
    const unsigned most = kind.palette.empty() ? 1U << kind.bit_depth : unsigned(kind.palette.size());
    return value % most;
  };
  const std::string file = png_of(kind, sample);
  for (const Alpha alpha : {Alpha::over_white, Alpha::ignore}) {
    const Picture got = picture_of(file, {.alpha = alpha});
    ASSERT_EQ(got.image.height, kind.height) << what;
    ASSERT_EQ(got.image.width, kind.width) << what;
    for (int y = 0; y < kind.height; ++y) {
      for (int x = 0; x < kind.width; ++x) {
        const Rgba pixel = meaning(kind, sample, y, x);
        const double opaque = alpha == Alpha::ignore ? 1 : pixel.alpha;
        for (int c = 0; c < 3; ++c) {
          const double wanted = 255 * (pixel.colour[c] * opaque + 1 - opaque);
          const int value = got.image.pixels[std::size_t(y * kind.width + x) * 3 + std::size_t(c)];
          // 16 bits are rounded twice, to 8 and after blending.
          EXPECT_NEAR(value, wanted, kind.bit_depth == 16 && opaque < 1 ? 1.01 : 0.51) << what << " " << y << "," << x;
        }
      }
    }
  }
}

TEST_F(PictureTest, EveryKindOfPngIsItsPicture) {
  std::vector<png_color> colours;
  for (int i = 0; i < 256; ++i) colours.push_back({png_byte(i * 5), png_byte(255 - i), png_byte(i * 11)});
  for (const bool interlaced : {false, true}) {
    for (const auto& [colour, depths] : {std::pair<int, std::vector<int>>{PNG_COLOR_TYPE_GRAY, {1, 2, 4, 8, 16}},
                                         {PNG_COLOR_TYPE_RGB, {8, 16}},
                                         {PNG_COLOR_TYPE_PALETTE, {1, 2, 4, 8}},
                                         {PNG_COLOR_TYPE_GRAY_ALPHA, {8, 16}},
                                         {PNG_COLOR_TYPE_RGB_ALPHA, {8, 16}}}) {
      for (const int depth : depths) {
        PngKind kind{.height = 9, .width = 21, .bit_depth = depth, .colour = colour, .interlaced = interlaced};
        const std::string what = cat("colour type ", colour, ", ", depth, " bits", interlaced ? ", interlaced" : "");
        if (colour == PNG_COLOR_TYPE_PALETTE) kind.palette.assign(colours.begin(), colours.begin() + (1 << depth));
        expect_png(kind, what);
        if (colour & PNG_COLOR_MASK_ALPHA) continue;
        // One colour is transparent, or the first colours of the palette, more or less.
        if (colour == PNG_COLOR_TYPE_GRAY) kind.transparency = test::number(depth == 16 ? 409U * 37 : 1U, 2, true);
        if (colour == PNG_COLOR_TYPE_RGB) {
          for (const unsigned c : {37U, 96U, 155U})
            kind.transparency += test::number(depth == 16 ? 409 * c : c, 2, true);
        }
        if (colour == PNG_COLOR_TYPE_PALETTE) kind.transparency = depth == 1 ? "\x40" : std::string("\x00\x80", 2);
        expect_png(kind, what + ", transparency");
      }
    }
  }
}

// A peer's loader drops alpha, and so does ours: what trained before is what trains now.
TEST_F(PictureTest, TrainingReadsEveryKindOfPngWithoutItsAlpha) {
  const auto sample = [](int y, int x, int c) { return unsigned(60 * c + 9 * y + 4 * x); };
  for (const int colour : {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB_ALPHA}) {
    const std::string file = png_of({.colour = colour}, sample);
    write("a.png", test::with_chunk(file, "eXIf" + exif_block({.orientation = 8})));
    int orientation = 0;
    expect_same(read_rgb(path("a.png"), orientation), picture_of(file, {.alpha = Alpha::ignore}).image,
                cat("colour type ", colour));
    EXPECT_EQ(orientation, 8);
  }
}

TEST_F(PictureTest, DamagedRemarksOfAPngAreNoDamage) {
  const RgbImage image = test_image(8, 8);
  for (const std::string type : {"eXIf", "tEXt", "gAMA", "iCCP", "pHYs"}) {
    std::string file = test::with_chunk(encode_png(image, "photo"), type + "\x01\x02\x03\x04");
    file[file.find(type) + 8] ^= 1;  // the checksum
    expect_same(picture_of(file).image, image, type);
  }
  std::string pixels = encode_png(image, "photo");
  pixels[pixels.find("IDAT") + 9] ^= 1;
  EXPECT_TRUE(fails([&] { picture_of(pixels); }, ErrorKind::bad_data, "photo: "));
}

// --- JPEG ------------------------------------------------------------------------------------------------------------

#ifdef MD_WITH_LIBJPEG
/// A marker's place, from the start.
std::size_t marker(const std::string& jpeg, int code) { return jpeg.find(std::string("\xFF") + char(code)); }

TEST_F(PictureTest, CmykAndYcckBecomeRgb) {
  const auto ink = [](int y, int x, int c) { return c == 3 ? 90 + 7 * y : 250 - 9 * x - 40 * c; };
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    const std::string jpeg = test::jpeg_of(
        {.height = 16, .width = 16, .channels = 4, .input = JCS_CMYK, .stored = stored, .quality = 100}, ink);
    const RgbImage got = picture_of(jpeg).image;
    RgbImage wanted{16, 16, {}};
    for (int y = 0; y < 16; ++y) {
      for (int x = 0; x < 16; ++x) {
        for (int c = 0; c < 3; ++c)
          wanted.pixels.push_back(std::uint8_t(std::lround(ink(y, x, c) * ink(y, x, 3) / 255.0)));
      }
    }
    EXPECT_LE(difference(got, wanted), stored == JCS_CMYK ? 2 : 4);  // quality 100; YCCK rounds once more
    write("photo.jpg", jpeg);
    expect_same(read_rgb(path("photo.jpg")), got, "training");
    EXPECT_LE(difference(decode_jpeg_stb(as_bytes(jpeg), "photo"), got), 6);
  }
  // Without Adobe's segment everybody takes the inks to be stored as Adobe does; stb_image takes them for YCbCr.
  std::string plain = test::jpeg_of({.channels = 4, .input = JCS_CMYK, .stored = JCS_CMYK, .quality = 100}, ink);
  const RgbImage adobe = picture_of(plain).image;
  plain.erase(marker(plain, 0xEE), 16);
  expect_same(picture_of(plain).image, adobe, "no Adobe segment");
  EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(plain), "photo"); }, ErrorKind::bad_data,
                    "photo: a CMYK JPEG without Adobe's segment"));
}

// What libjpeg remarks on and every program shows.
TEST_F(PictureTest, HarmlessRemarksAreRead) {
  const std::string clean = test::jpeg_of({.height = 33, .width = 40}, test::smooth);
  const RgbImage wanted = picture_of(clean).image;
  std::vector<std::pair<std::string, std::string>> files;
  const auto changed = [&](std::size_t at, int value) { return std::string(clean).replace(at, 1, 1, char(value)); };
  const std::size_t scan = marker(clean, 0xDA), spectral = scan + 5 + 2 * 3;  // start, end, bits
  files.emplace_back("the last coefficient is 0", changed(spectral + 1, 0));
  files.emplace_back("the first coefficient is 1", changed(spectral, 1));
  files.emplace_back("bits that only progressive files have", changed(spectral + 2, 0x21));
  for (const int before : {0xDB, 0xC0, 0xC4, 0xDA, 0xD9}) {
    for (const std::string& stray : {std::string(1, '\0'), std::string("\x12\x34\x56"), std::string(5000, 'x')})
      files.emplace_back(cat(stray.size(), " stray bytes before ", before),
                         std::string(clean).insert(clean.rfind(std::string("\xFF") + char(before)), stray));
  }
  files.emplace_back("JFIF 2.1", changed(11, 2));
  files.emplace_back("JFIF 9", changed(11, 9));
  files.emplace_back("a broken profile", test::with_segment(clean, 0xE2, std::string("ICC_PROFILE\0\7\3xyz", 17)));
  files.emplace_back("bytes behind the end", clean + "MotionPhoto" + std::string(1000, '\1'));
  for (const auto& [what, file] : files) {
    expect_same(picture_of(file).image, wanted, what);
    write("photo.jpg", file);
    expect_same(read_rgb(path("photo.jpg")), wanted, "training, " + what);
  }
  // A scan that comes twice.
  std::string progressive = test::jpeg_of({.height = 33, .width = 40, .progressive = true}, test::smooth);
  const std::size_t first = marker(progressive, 0xDA), second = progressive.find("\xFF\xC4", first);
  ASSERT_NE(second, std::string::npos);
  expect_same(picture_of(progressive.insert(second, progressive.substr(first, second - first))).image, wanted, "twice");
  // Adobe's segment with a transform that nobody knows means YCbCr.
  const std::string adobe = test::with_segment(clean, 0xEE, std::string("Adobe\0\x64\0\0\0\0\7", 12));
  EXPECT_EQ(picture_of(adobe).image.height, 33);
}

TEST_F(PictureTest, LostPixelsAreDamage) {
  const auto refused = [](const std::string& file, const std::string& why) {
    EXPECT_TRUE(fails([&] { picture_of(file); }, ErrorKind::bad_data, "photo: damaged JPEG (" + why)) << why;
  };
  const std::string clean = test::jpeg_of({.height = 64, .width = 64, .restart = 4}, test::smooth);
  for (const double part : {0.5, 0.9, 0.99})
    refused(clean.substr(0, std::size_t(double(clean.size()) * part)), "Premature end of JPEG file");
  std::string lost = clean;
  lost.erase(marker(lost, 0xD1), 2);
  refused(lost, "Corrupt JPEG data");
  std::string early = test::jpeg_of({.height = 64, .width = 64}, test::smooth);
  early.erase(early.size() - 60, 58);
  refused(early, "Corrupt JPEG data: premature end of data segment");
  std::string progressive = test::jpeg_of({.height = 64, .width = 64, .progressive = true}, test::smooth);
  refused(progressive.substr(0, progressive.size() - 20), "Premature end of JPEG file");
}

TEST_F(PictureTest, RareJpegsAreNamed) {
  const std::string clean = test::jpeg_of({}, test::smooth);
  const std::size_t frame = marker(clean, 0xC0);
  const auto with = [&](int type, int bits) {
    std::string file = clean;
    file[frame + 1] = char(type);
    file[frame + 4] = char(bits);
    return file;
  };
  const auto named = [&](const std::string& file, const std::string& kind, const std::string& command) {
    const std::string line = "photo: a" + kind + " JPEG, which this program cannot read; convert it: " + command;
    EXPECT_TRUE(fails([&] { picture_of(file); }, ErrorKind::bad_data, line));
    EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(file), "photo"); }, ErrorKind::bad_data, line));
    write("photo.jpg", file);
    EXPECT_TRUE(fails([&] { read_rgb(path("photo.jpg")); }, ErrorKind::bad_data, line.substr(7)));
  };
  named(with(0xC0, 12), " 12-bit", "gdal_translate ");
  named(with(0xC1, 12), " 12-bit", "gdal_translate ");
  named(with(0xC2, 12), " 12-bit", "gdal_translate ");
  named(with(0xC5, 8), " hierarchical", "convert ");
  named(with(0xCD, 8), " hierarchical", "convert ");
#if LIBJPEG_TURBO_VERSION_NUMBER < 3000000  // later ones read them
  named(with(0xC3, 8), " lossless", "ffmpeg -i ");
#endif
  // Built with arithmetic decoding, as Debian's is, libjpeg-turbo reads such files; stb_image never does.
  const std::string arithmetic = test::jpeg_of({.arithmetic = true}, test::smooth);
  EXPECT_LE(difference(picture_of(arithmetic).image, picture_of(clean).image), 0);
  EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(arithmetic), "photo"); }, ErrorKind::bad_data,
                    "photo: an arithmetic-coded JPEG, which this program cannot read; convert it: jpegtran"));
}

TEST_F(PictureTest, GreyAndProgressiveJpegsAreRead) {
  for (const bool progressive : {false, true}) {
    const std::string grey = test::jpeg_of(
        {.channels = 1, .input = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .progressive = progressive}, test::smooth);
    const RgbImage got = picture_of(grey).image;
    for (int y = 0; y < 17; ++y) {
      for (int x = 0; x < 60; ++x)
        EXPECT_NEAR(got.pixels[std::size_t(y * 60 + x)], test::smooth(y, x / 3, 0), 4) << y << "," << x;
    }
    EXPECT_LE(difference(picture_of(test::jpeg_of({.progressive = progressive}, test::smooth)).image,
                         picture_of(test::jpeg_of({}, test::smooth)).image),
              0);
    const std::string rgb = test::jpeg_of({.stored = JCS_RGB, .progressive = progressive}, test::smooth);
    EXPECT_NEAR(picture_of(rgb).image.pixels[2], test::smooth(0, 0, 2), 4);
  }
}
#endif

// --- WebP, TIFF, BMP -------------------------------------------------------------------------------------------------

#ifdef MD_WITH_WEBP
TEST_F(PictureTest, WebpWithAlphaIsLaidOverWhite) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 12 * 10; ++i) {
    for (const int value : {i, 255 - i, 2 * i, 7 * i + 3}) pixels.push_back(std::uint8_t(value));
  }
  const std::string file = test::webp_of(12, 10, 4, pixels, true);
  const RgbImage over = picture_of(file).image, ignored = picture_of(file, {.alpha = Alpha::ignore}).image;
  for (std::size_t i = 0; i < 120; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const double colour = pixels[4 * i + c], alpha = pixels[4 * i + 3] / 255.0;
      EXPECT_NEAR(over.pixels[3 * i + c], colour * alpha + 255 * (1 - alpha), 0.51) << i;
      if (alpha > 0) {  // the encoder blackens what is not seen
        EXPECT_EQ(ignored.pixels[3 * i + c], colour) << i;
      }
    }
  }
  EXPECT_TRUE(fails([&] { picture_of(file.substr(0, file.size() / 2)); }, ErrorKind::bad_data, "photo: damaged WebP"));
  const RgbImage soft = test_image(40, 30);
  EXPECT_EQ(picture_of(test::webp_of(40, 30, 3, soft.pixels, false)).image.height, 40);
  const std::string animated = "RIFF" + test::number(4 + 18, 4, false) + "WEBP" +
                               test::riff_chunk("VP8X", test::number(2, 4, false) + std::string(6, '\0'));
  EXPECT_TRUE(fails([&] { picture_of(animated); }, ErrorKind::bad_data, "photo: an animated WebP"));
}
#endif

#ifdef MD_WITH_TIFF
TEST_F(PictureTest, KindsOfTiffAreTheirPictures) {
  using test::TiffKind;
  const auto value = [](int y, int x, int c) { return unsigned(40 * c + 13 * y + 5 * x); };  // below 256
  const auto read = [&](const TiffKind& kind) {
    test::write_tiff(path("photo.tif"), kind,
                     [&](int y, int x, int c) { return value(y, x, c) * (kind.bits == 16 ? 257 : 1); });
    return read_picture(path("photo.tif")).image;
  };
  const auto expect = [&](const TiffKind& kind, const std::string& what,
                          const std::function<int(int, int, int)>& wanted) {
    const RgbImage got = read(kind);
    ASSERT_EQ(got.pixels.size(), 5U * 7 * 3) << what;
    for (int i = 0; i < 5 * 7 * 3; ++i)
      EXPECT_NEAR(got.pixels[std::size_t(i)], wanted(i / 21, i % 21 / 3, i % 3), 1) << what << ", " << i;
  };
  const auto colour = [&](int y, int x, int c) { return int(value(y, x, c)); };
  const auto grey = [&](int y, int x, int) { return int(value(y, x, 0)); };
  for (const int bits : {8, 16}) {
    expect({.bits = bits}, "RGB", colour);
    expect({.bits = bits, .compression = COMPRESSION_LZW, .rows = 5, .big = true}, "LZW, one strip, BigTIFF", colour);
    expect({.bits = bits, .compression = COMPRESSION_ADOBE_DEFLATE, .tile = 16}, "deflate, tiles", colour);
    expect({.bits = bits, .planes = true}, "planes", colour);
    expect({.channels = 1, .bits = bits, .photometric = PHOTOMETRIC_MINISBLACK}, "grey", grey);
    expect({.channels = 1, .bits = bits, .photometric = PHOTOMETRIC_MINISWHITE}, "white is 0",
           [&](int y, int x, int) { return 255 - int(value(y, x, 0)); });
    expect({.channels = 4, .bits = bits, .alpha = EXTRASAMPLE_UNASSALPHA}, "alpha", [&](int y, int x, int c) {
      const double alpha = value(y, x, 3) / 255.0;
      return int(std::lround(value(y, x, c) * alpha + 255 * (1 - alpha)));
    });
    expect({.channels = 4, .bits = bits, .alpha = EXTRASAMPLE_ASSOCALPHA}, "weighted colours",
           [&](int y, int x, int c) { return int(value(y, x, c)) + 255 - int(value(y, x, 3)); });
    expect({.channels = 4, .bits = bits, .alpha = EXTRASAMPLE_UNSPECIFIED}, "a channel that means nothing", colour);
  }
  expect({.channels = 1, .photometric = PHOTOMETRIC_PALETTE}, "palette",
         [&](int y, int x, int) { return int(value(y, x, 0) * 3 % 256); });
  EXPECT_TRUE(fails(
      [&] { read({.channels = 1, .bits = 32, .photometric = PHOTOMETRIC_MINISBLACK, .format = SAMPLEFORMAT_IEEEFP}); },
      ErrorKind::bad_data, "photo.tif: a TIFF that libtiff makes no RGB of"));
  EXPECT_TRUE(fails([&] { read({.thumbnail = true}); }, ErrorKind::bad_data, "photo.tif: a camera raw file"));
}

TEST_F(PictureTest, CutTiffsAreRefused) {
  test::write_tiff(path("photo.tif"), {.height = 40, .width = 40, .compression = COMPRESSION_LZW},
                   [](int y, int x, int c) { return unsigned(y * x + c) % 256; });
  const std::string whole = bytes_of(path("photo.tif"));
  for (const double part : {0.0, 0.1, 0.5, 0.9}) {
    const std::string cut = whole.substr(0, std::size_t(double(whole.size()) * part));
    EXPECT_TRUE(fails([&] { picture_of(cut); }, ErrorKind::bad_data, "photo: ")) << part;
  }
}
#endif

TEST_F(PictureTest, KindsOfBmpAreTheirPictures) {
  using test::BmpKind;
  const auto expect = [&](const BmpKind& kind, const std::string& what,
                          const std::function<std::uint32_t(int, int)>& stored,
                          const std::function<int(int, int, int)>& wanted) {
    const RgbImage got = picture_of(test::bmp_of(kind, stored)).image;
    const int height = std::abs(kind.height);
    ASSERT_EQ(got.height, height) << what;
    ASSERT_EQ(got.width, kind.width) << what;
    for (int i = 0; i < height * kind.width * 3; ++i)
      EXPECT_EQ(got.pixels[std::size_t(i)], wanted(i / 3 / kind.width, i / 3 % kind.width, i % 3)) << what << ", " << i;
  };
  const auto channel = [](int y, int x, int c) { return (x * 31 + y * 17 + c * 50) % 256; };
  const auto rgb = [&](int y, int x) {
    return std::uint32_t(channel(y, x, 0) << 16 | channel(y, x, 1) << 8 | channel(y, x, 2));
  };
  expect({.bits = 24}, "24 bits", rgb, channel);
  expect({.height = -4, .bits = 24}, "from the top", rgb, channel);
  expect({.bits = 24, .core = true}, "the short header", rgb, channel);
  expect({.bits = 32}, "32 bits, of which 8 mean nothing", rgb, channel);
  expect(
      {.bits = 32, .masks = {0xFF, 0xFF00, 0xFF0000}}, "red last",
      [&](int y, int x) { return std::uint32_t(channel(y, x, 2) << 16 | channel(y, x, 1) << 8 | channel(y, x, 0)); },
      channel);
  const auto with_alpha = [&](int y, int x) { return rgb(y, x) | std::uint32_t(x * 60) << 24; };
  expect({.bits = 32, .masks = {0xFF0000, 0xFF00, 0xFF, 0xFF000000}}, "alpha", with_alpha, [&](int y, int x, int c) {
    const double alpha = x * 60 / 255.0;
    return int(std::lround(channel(y, x, c) * alpha + 255 * (1 - alpha)));
  });
  expect({.bits = 32, .masks = {0xFF0000, 0xFF00, 0xFF, 0xFF000000}}, "alpha that is 0 everywhere", rgb, channel);
  const auto packed = [](int y, int x) { return std::uint32_t((x * 3 % 32) << 10 | (y * 5 % 32) << 5 | (x + y) % 32); };
  expect({.bits = 16}, "5 bits each", packed, [](int y, int x, int c) {
    const int value = c == 0 ? x * 3 % 32 : c == 1 ? y * 5 % 32 : (x + y) % 32;
    return int(std::lround(value * 255 / 31.0));
  });
  expect(
      {.bits = 16, .masks = {0xF800, 0x07E0, 0x001F}}, "5, 6 and 5 bits",
      [](int y, int x) { return std::uint32_t(x << 11 | (x + 9 * y) << 5 | y); },
      [](int y, int x, int c) {
        return int(std::lround(c == 0 ? x * 255 / 31.0 : c == 1 ? (x + 9 * y) * 255 / 63.0 : y * 255 / 31.0));
      });
  for (const int bits : {1, 4, 8}) {
    std::string palette;
    for (int i = 0; i < 1 << bits; ++i) palette += test::number(std::uint32_t(i * 9), 4, false);  // blue
    const auto index = [bits](int y, int x) { return std::uint32_t(x + y * 3) % (1U << bits); };
    expect({.bits = bits, .palette = palette}, cat(bits, " bits"), index, [&](int y, int x, int c) {
      return c == 2 ? int(index(y, x) * 9 % 256) : c == 1 ? int(index(y, x) * 9 / 256) : 0;
    });
  }
  const std::string whole = test::bmp_of({}, rgb);
  for (std::size_t size = 2; size < whole.size(); ++size)
    EXPECT_TRUE(fails([&] { picture_of(whole.substr(0, size)); }, ErrorKind::bad_data, "photo: damaged BMP")) << size;
  EXPECT_TRUE(fails([&] { picture_of(test::bmp_of({.bits = 8, .compression = 1}, rgb)); }, ErrorKind::bad_data,
                    "photo: a run-length coded BMP, which this program cannot read; convert it: "));
}

// What this build lacks, as it says so.
TEST_F(PictureTest, AbsentLibrariesAreNamed) {
  const std::pair<std::string, std::string> files[] = {
      {"WebP", "RIFF" + test::number(30, 4, false) + "WEBPVP8 " + std::string(30, '\0')},
      {"TIFF", std::string("II*\0\x08\0\0\0", 8) + std::string(30, '\0')},
      {"HEIC", std::string("\0\0\0\x18", 4) + "ftypheic" + std::string(30, '\0')},
      {"AVIF", std::string("\0\0\0\x18", 4) + "ftypavif" + std::string(30, '\0')},
  };
  for (const auto& [format, bytes] : files) {
    const PictureFormat* known = picture_format_of_bytes(as_bytes(bytes));
    ASSERT_TRUE(known) << format;
    EXPECT_EQ(known->name, format);
    EXPECT_EQ(is_picture_name("photo" + known->suffixes[0]), known->is_read);
    if (known->is_read) continue;
    EXPECT_TRUE(fails(
        [&] { picture_of(bytes); }, ErrorKind::bad_data,
        "photo: " + format + " cannot be read here: " + known->missing_library + "; convert it: " + known->conversion));
  }
}
#ifndef MD_WITH_WEBP
TEST_F(PictureTest, Webp) { GTEST_SKIP() << "built without libwebp"; }
#endif
#ifndef MD_WITH_TIFF
TEST_F(PictureTest, Tiff) { GTEST_SKIP() << "built without libtiff"; }
#endif
#ifndef MD_WITH_HEIF
TEST_F(PictureTest, Heif) { GTEST_SKIP() << "built without libheif"; }
#endif

// --- What is not read ------------------------------------------------------------------------------------------------

TEST_F(PictureTest, OtherFormatsAreNamedWithTheirCommand) {
  const std::string zeros(64, '\0');
  const std::pair<std::string, std::string> files[] = {
      {"GIF89a" + zeros, "GIF"},
      {"8BPS\0\1" + zeros, "Photoshop"},
      {"\xFF\x0A" + zeros, "JPEG XL"},
      {std::string("\0\0\0\x0CJXL \r\n\x87\n", 12) + zeros, "JPEG XL"},
      {std::string("\0\0\0\x0CjP  \r\n\x87\n", 12) + zeros, "JPEG 2000"},
      {"\xFF\x4F\xFF\x51" + zeros, "JPEG 2000"},
      {std::string("\0\0\0\x18", 4) + "ftypcrx " + zeros, "camera raw"},
      {std::string("II*\0\x10\0\0\0CR\2\0", 12) + zeros, "camera raw"},
      {"FUJIFILMCCD-RAW 0201" + zeros, "camera raw"},
      {"\x76\x2F\x31\x01" + zeros, "OpenEXR"},
      {std::string("\0\0\0\x20", 4) + "ftypisom" + zeros, "video"},
      {std::string("\0\0\0\x14", 4) + "ftypqt  " + zeros, "video"},
      {"P6\n1 1\n255\n" + zeros, "Netpbm"},
      {"%PDF-1.7" + zeros, "PDF"},
  };
  for (const auto& [bytes, format] : files) {
    const PictureFormat* known = picture_format_of_bytes(as_bytes(bytes));
    ASSERT_TRUE(known) << format;
    EXPECT_EQ(known->name, format);
    EXPECT_TRUE(
        fails([&] { picture_of(bytes); }, ErrorKind::bad_data,
              "photo: " + format + " is a format that this program does not read; convert it: " + known->conversion));
  }
  EXPECT_TRUE(fails([&] { picture_of("hello, world"); }, ErrorKind::bad_data, "photo: not a picture of a format"));
  EXPECT_TRUE(fails([&] { picture_of(""); }, ErrorKind::bad_data, "photo: the file is empty"));
  EXPECT_TRUE(fails([&] { read_picture(path("none.jpg")); }, ErrorKind::missing, path("none.jpg") + ": no such file"));
  EXPECT_TRUE(fails([&] { read_picture(folder_.string()); }, ErrorKind::bad_data, ": not a file"));
  // Raw files are TIFFs, by their names alone.
  const std::string raw = write("photo.NEF", std::string("II*\0\x08\0\0\0", 8) + zeros);
  EXPECT_TRUE(fails([&] { read_picture(raw); }, ErrorKind::bad_data, raw + ": camera raw is a format"));
}

TEST_F(PictureTest, NamesOfPictures) {
  for (const std::string name : {"a.jpg", "b.JPEG", "dir.d/c.Png", "d.bmp", "e.jfif"})
    EXPECT_TRUE(is_picture_name(name)) << name;
  for (const std::string name : {"a.txt", "jpg", "b.gif", "c.cr2", "d.mp4", ".png", "e.png.bak", ""})
    EXPECT_FALSE(is_picture_name(name)) << name;
  EXPECT_EQ(picture_format_of_name("x/IMG_1.HEIC")->name, "HEIC");
  EXPECT_EQ(picture_format_of_name("x.dng")->name, "camera raw");
  EXPECT_EQ(picture_format_of_name("x.MOV")->name, "video");
  EXPECT_FALSE(picture_format_of_name("x.doc"));
  // Brands of ISO media files; "mif1" says nothing of the codec.
  for (const auto& [brands, format] : {std::pair{"heixmif1", "HEIC"},
                                       {"avismsf1", "AVIF"},
                                       {"mif1\0\0\0\0mif1avif", "AVIF"},
                                       {"mif1\0\0\0\0mif1heic", "HEIC"},
                                       {"msf1\0\0\0\0msf1hevcheis", "HEIC"}}) {
    const std::string file = std::string("\0\0\0\x1C", 4) + "ftyp" + std::string(brands, brands[4] ? 8 : 16);
    EXPECT_EQ(picture_format_of_bytes(as_bytes(file))->name, format) << brands;
  }
  for (const PictureFormat& format : picture_formats()) {
    EXPECT_NE(format.conversion.find("IN"), std::string::npos) << format.name;
    EXPECT_FALSE(format.suffixes.empty()) << format.name;
    EXPECT_FALSE(format.is_read && !format.missing_library.empty()) << format.name;
  }
}

TEST_F(PictureTest, TheNameDoesNotTellTheFormat) {
  const RgbImage image = test_image(4, 6);
  expect_same(read_picture(write("photo.jpg", encode_png(image, "photo"))).image, image, "PNG named .jpg");
  expect_same(read_picture(write("photo", encode_png(image, "photo"))).image, image, "PNG without a suffix");
}

// --- Size ------------------------------------------------------------------------------------------------------------

/// The same PNG with another size in its header.
std::string claiming(std::string png, std::uint32_t width, std::uint32_t height) {
  const std::size_t header = png.find("IHDR");
  const std::string size = test::number(width, 4, true) + test::number(height, 4, true);
  return png.replace(header - 4, 25, test::png_chunk(png.substr(header, 4) + size + png.substr(header + 12, 5)));
}

TEST_F(PictureTest, ClaimsAreRefusedBeforeMemoryIsTaken) {
  const long before_mib = peak_mib();
  const auto refused = [&](const std::string& file, const std::string& why) {
    EXPECT_TRUE(fails([&] { picture_of(file); }, ErrorKind::bad_data, "photo: " + why)) << why;
  };
  const std::string png = encode_png(test_image(2, 2), "photo");
  refused(claiming(png, 65536, 10), "65536x10 pixels are more than 65535 a side");
  refused(claiming(png, 20000, 10001), "20000x10001 pixels are more than 200000000");
  const std::string interlaced = png_of({.interlaced = true}, [](int, int, int) { return 0U; });
  refused(claiming(interlaced, 20000, 10000),
          "to decode 20000x10000 pixels of this kind of file takes 1144 MiB, and 1024");
  const std::string bmp = test::bmp_of({}, [](int, int) { return 0U; });
  refused(std::string(bmp).replace(18, 4, test::number(70000, 4, false)), "70000x3 pixels are more than 65535 a side");
#ifdef MD_WITH_WEBP
  // A lossless picture's first bits: signature, width - 1 and height - 1 of 14 bits, alpha, version.
  const std::string lossless =
      "VP8L" + test::number(10, 4, false) + "\x2F" + test::number(16382U | 16382U << 14, 4, false);
  refused("RIFF" + test::number(22, 4, false) + "WEBP" + lossless + std::string(5, '\0'),
          "16383x16383 pixels are more than 200000000");
#endif
  EXPECT_LT(peak_mib() - before_mib, 32);
}

#ifdef MD_WITH_LIBJPEG
TEST_F(PictureTest, TwoHundredMegapixelsTakeLittleMemoryReduced) {
  const std::string jpeg =
      test::jpeg_of({.height = 10000, .width = 20000, .quality = 30}, [](int, int, int c) { return 60 + 40 * c; });
  write("photo.jpg", test::with_exif(jpeg, exif_block({.orientation = 6})));
  const long before_mib = peak_mib();
  const Picture got = read_picture(path("photo.jpg"), {.shorter_side = 480});
  EXPECT_LT(peak_mib() - before_mib, 64);
  EXPECT_EQ(got.height, 20000);
  EXPECT_EQ(got.width, 10000);
  EXPECT_EQ(got.image.width, 625);  // 1/8, and boxes of 2
  EXPECT_EQ(got.image.height, 1250);
  EXPECT_NEAR(got.image.pixels[0], 60, 3);
  EXPECT_TRUE(fails([&] { read_rgb(path("photo.jpg")); }, ErrorKind::bad_data,
                    "20000x10000 pixels are more than 16384 a side"));
}

TEST_F(PictureTest, ProgressiveClaimsAreRefused) {
  std::string jpeg = test::jpeg_of({.progressive = true}, test::smooth);
  const std::size_t frame = marker(jpeg, 0xC2);
  jpeg.replace(frame + 5, 4, test::number(10000, 2, true) + test::number(20000, 2, true));
  for (std::size_t component = 0; component < 3; ++component) jpeg[frame + 11 + 3 * component] = 0x11;  // 4:4:4
  const long before_mib = peak_mib();
  EXPECT_TRUE(fails([&] { picture_of(jpeg, {.shorter_side = 100}); }, ErrorKind::bad_data,
                    "photo: to decode 2500x1250 pixels of this kind of file takes "));
  EXPECT_LT(peak_mib() - before_mib, 32);
}
#endif

}  // namespace
}  // namespace md
