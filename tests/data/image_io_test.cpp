// Images: what is written comes back, and every damaged or foreign file is refused by name. A data set is read for
// weeks: one silently wrong file would poison every result.
#include "data/image_io.h"

#include <sys/resource.h>
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "data/codecs.h"
#include "tests/data/data_files.h"
#include "tests/data/picture_files.h"

namespace md {
namespace {

using test::fails;
using test::foreign_png;
using test::test_depth;
using test::test_image;

class ImageIoTest : public test::DataFolder {};

Bytes as_bytes(const std::string& text) { return {reinterpret_cast<const unsigned char*>(text.data()), text.size()}; }

TEST_F(ImageIoTest, PngComesBackExactly) {
  const RgbImage rgb = test_image(5, 7);
  write_png(path("a.png"), rgb);
  const RgbImage again = read_rgb(path("a.png"));
  EXPECT_EQ(again.height, 5);
  EXPECT_EQ(again.width, 7);
  EXPECT_EQ(again.pixels, rgb.pixels);

  DepthImage depth = test_depth(3, 9);
  depth.pixels[1] = 65535;
  depth.pixels[2] = 256;  // would be 1 with its bytes swapped
  write_png(path("d.png"), depth);
  EXPECT_EQ(read_depth(path("d.png")).pixels, depth.pixels);
}

TEST_F(ImageIoTest, WritersLeaveNothingBeside) {
  write_png(path("a.png"), test_image(4, 4));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  EXPECT_TRUE(fails([&] { write_png(path("none/a.png"), test_image(4, 4)); }, ErrorKind::cannot_write, "none/a.png"));
  EXPECT_TRUE(fails(
      [&] {
        write_png(path("b.png"), RgbImage{2, 2, {1, 2, 3}});
      },
      ErrorKind::contract, "2x2 has 3 samples"));
  EXPECT_FALSE(std::filesystem::exists(path("b.png")));
}

#ifdef MD_WITH_LIBJPEG
TEST_F(ImageIoTest, JpegComesBackClosely) {
  RgbImage flat{16, 24, {}};
  for (int i = 0; i < 16 * 24; ++i) flat.pixels.insert(flat.pixels.end(), {200, 100, 50});
  write_jpeg(path("a.jpg"), flat);
  const RgbImage again = read_rgb(path("a.jpg"));
  ASSERT_EQ(again.pixels.size(), flat.pixels.size());
  for (std::size_t i = 0; i < flat.pixels.size(); ++i) {
    EXPECT_NEAR(again.pixels[i], flat.pixels[i], 2) << i;  // quality 95: YCbCr rounding and one quantum of DC
  }
  EXPECT_STREQ(jpeg_decoder_name(), "libjpeg-turbo");
}

TEST_F(ImageIoTest, BothJpegDecodersAgree) {
  const std::string bytes = encode_jpeg_turbo(test_image(48, 64), 95, "a.jpg");
  const RgbImage turbo = decode_jpeg_turbo(as_bytes(bytes), "a.jpg"), stb = decode_jpeg_stb(as_bytes(bytes), "a.jpg");
  ASSERT_EQ(turbo.pixels.size(), stb.pixels.size());
  double difference = 0;
  for (std::size_t i = 0; i < turbo.pixels.size(); ++i) difference += std::abs(turbo.pixels[i] - stb.pixels[i]);
  // They round differently in the inverse DCT and in chroma upsampling; a swapped channel would give 20 or more.
  EXPECT_LT(difference / double(turbo.pixels.size()), 1.5);
}

TEST_F(ImageIoTest, JpegCutAnywhereIsRefused) {
  const std::string bytes = encode_jpeg_turbo(test_image(40, 56), 90, "a.jpg");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_TRUE(fails([&] { decode_jpeg_turbo(as_bytes(cut), "cut.jpg"); }, ErrorKind::bad_data, "cut.jpg: ")) << size;
    EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(cut), "cut.jpg"); }, ErrorKind::bad_data, "cut.jpg: ")) << size;
  }
  const std::string file = write("cut.jpg", std::string_view(bytes).substr(0, bytes.size() / 2));
  EXPECT_TRUE(
      fails([&] { read_rgb(file); }, ErrorKind::bad_data, file + ": damaged JPEG (Premature end of JPEG file)"));
}
#endif

TEST_F(ImageIoTest, PngCutAnywhereIsRefused) {
  const std::string rgb = encode_png(test_image(20, 30), "a.png"), depth = encode_png(test_depth(20, 30), "d.png");
  for (std::size_t size = 0; size < rgb.size(); ++size) {
    const std::string cut = rgb.substr(0, size);
    EXPECT_TRUE(fails([&] { decode_png_rgb(as_bytes(cut), "cut.png"); }, ErrorKind::bad_data, "cut.png: ")) << size;
  }
  for (std::size_t size = 0; size < depth.size(); ++size) {
    const std::string cut = depth.substr(0, size);
    EXPECT_TRUE(fails([&] { decode_png_depth(as_bytes(cut), "cut.png"); }, ErrorKind::bad_data, "cut.png: ")) << size;
  }
  const std::string file = write("cut.png", std::string_view(depth).substr(0, depth.size() / 2));
  EXPECT_TRUE(fails([&] { read_depth(file); }, ErrorKind::bad_data, file + ": the file ends early"));
}

// Every bit of the file: the checksums leave no room for a measurement that is quietly wrong.
TEST_F(ImageIoTest, OneFlippedBitInDepthIsRefused) {
  std::string bytes = encode_png(test_depth(6, 8), "d.png");
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const char mask = static_cast<char>(1 << bit % 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    EXPECT_TRUE(fails([&] { decode_png_depth(as_bytes(bytes), "d.png"); }, ErrorKind::bad_data, "d.png: "))
        << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
  const std::size_t checksum = bytes.find("IEND") - 5;  // its last byte
  bytes[checksum] = static_cast<char>(bytes[checksum] ^ 1);
  EXPECT_TRUE(
      fails([&] { read_depth(write("d.png", bytes)); }, ErrorKind::bad_data, path("d.png") + ": IDAT: CRC error"));
}

TEST_F(ImageIoTest, OtherPngFormatsAreRefusedByName) {
  const auto depth_of = [&](png_uint_32 format) {
    return [this, format] { read_depth(write("d.png", foreign_png(format, 4, 6))); };
  };
  const std::string wanted = "; wanted is 16-bit grey";
  EXPECT_TRUE(fails(depth_of(PNG_FORMAT_GRAY), ErrorKind::bad_data, "this PNG is 8-bit grey" + wanted));
  EXPECT_TRUE(fails(depth_of(PNG_FORMAT_RGB), ErrorKind::bad_data, "this PNG is 8-bit RGB" + wanted));
  EXPECT_TRUE(fails(depth_of(PNG_FORMAT_RGBA), ErrorKind::bad_data, "this PNG is 8-bit RGB with alpha" + wanted));
  EXPECT_TRUE(fails(depth_of(PNG_FORMAT_LINEAR_RGB), ErrorKind::bad_data, "this PNG is 16-bit RGB" + wanted));
  EXPECT_TRUE(
      fails(depth_of(PNG_FORMAT_LINEAR_Y_ALPHA), ErrorKind::bad_data, "this PNG is 16-bit grey with alpha" + wanted));
  EXPECT_TRUE(fails(depth_of(PNG_FORMAT_RGB_COLORMAP), ErrorKind::bad_data, "-bit palette" + wanted));
}

/// 16-bit grey in seven passes: what other programs may write, and a picture like any other.
std::string interlaced_png(const DepthImage& image) {
  const auto sample = [&](int y, int x, int) { return unsigned{image.pixels[std::size_t(y * image.width + x)]}; };
  return test::png_of({.height = image.height,
                       .width = image.width,
                       .bit_depth = 16,
                       .colour = PNG_COLOR_TYPE_GRAY,
                       .interlaced = true},
                      sample);
}

TEST_F(ImageIoTest, InterlacedDepthIsReadAsItIs) {
  for (const auto& [height, width] : {std::pair{1, 1}, {3, 2}, {13, 21}}) {
    const DepthImage image = test_depth(height, width);
    EXPECT_EQ(read_depth(write("d.png", interlaced_png(image))).pixels, image.pixels) << height << "x" << width;
  }
}

TEST_F(ImageIoTest, OtherFilesAreRefusedByName) {
  EXPECT_TRUE(fails([&] { read_rgb(path("none.jpg")); }, ErrorKind::missing, path("none.jpg") + ": no such file"));
  EXPECT_TRUE(fails([&] { read_depth(path("none.png")); }, ErrorKind::missing, path("none.png") + ": no such file"));
  EXPECT_TRUE(fails([&] { read_rgb(folder_.string()); }, ErrorKind::bad_data, ": not a file"));
  EXPECT_TRUE(
      fails([&] { read_rgb(write("a.jpg", "")); }, ErrorKind::bad_data, "a.jpg: neither a JPEG nor a PNG file"));
  EXPECT_TRUE(fails([&] { read_rgb(write("a.gif", "GIF89a")); }, ErrorKind::bad_data, "neither a JPEG nor a PNG file"));
  EXPECT_TRUE(fails([&] { read_depth(write("a.png", "P5 1 1")); }, ErrorKind::bad_data, "this is no PNG file"));
}

// --- What a header claims --------------------------------------------------------------------------------------------

void put_big_endian(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes[at + std::size_t(i)] = static_cast<char>(value >> (24 - 8 * i));
}

/// A chunk of a PNG with its checksum, CRC-32 over type and data (PNG specification, annex D).
std::string png_chunk(const std::string& type_and_data) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : type_and_data) {
    crc ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  std::string chunk(4, '\0'), checksum(4, '\0');
  put_big_endian(chunk, 0, std::uint32_t(type_and_data.size() - 4));
  put_big_endian(checksum, 0, ~crc);
  return chunk + type_and_data + checksum;
}

/// The same PNG with another size in its header.
std::string resized_png(std::string bytes, std::uint32_t width, std::uint32_t height) {
  const std::size_t header = bytes.find("IHDR");
  put_big_endian(bytes, header + 4, width);
  put_big_endian(bytes, header + 8, height);
  return bytes.replace(header - 4, 25, png_chunk(bytes.substr(header, 17)));
}

/// The most memory that this process ever had, in MiB.
long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

TEST_F(ImageIoTest, HugePngsAreRefusedBeforeMemoryIsTaken) {
  const long before_mib = peak_mib();
  const std::string depth = encode_png(test_depth(2, 2), "d.png"), rgb = encode_png(test_image(2, 2), "c.png");
  const auto refused = [&](std::uint32_t width, std::uint32_t height, const std::string& why) {
    const std::string d = write("d.png", resized_png(depth, width, height)),
                      c = write("c.png", resized_png(rgb, width, height));
    EXPECT_TRUE(fails([&] { read_depth(d); }, ErrorKind::bad_data, d + ": " + why));
    EXPECT_TRUE(fails([&] { read_rgb(c); }, ErrorKind::bad_data, c + ": " + why));
  };
  refused(60000, 60000, "60000x60000 pixels are more than 16384 a side");
  refused(2'000'000'000, 2'000'000'000, "2000000000x2000000000 pixels are more than 16384 a side");
  refused(16385, 1, "16385x1 pixels are more than 16384 a side");
  refused(16384, 2049, "16384x2049 pixels are more than 33554432");
  refused(0, 0, "Invalid IHDR data");
  EXPECT_LT(peak_mib() - before_mib, 32);
}

// Eight megabytes of text in eight kilobytes, a hundred times: what is not about pixels must not be unpacked.
TEST_F(ImageIoTest, PngTextIsPassedOver) {
  const long before_mib = peak_mib();
  std::vector<unsigned char> packed(1 << 16);
  uLongf size = packed.size();
  const std::string text(8'000'000, ' ');
  ASSERT_EQ(compress(packed.data(), &size, reinterpret_cast<const Bytef*>(text.data()), uLong(text.size())), Z_OK);
  const std::string chunk =
      png_chunk(std::string("zTXtkey\0\0", 9) + std::string(packed.begin(), packed.begin() + std::ptrdiff_t(size)));
  std::string bytes = encode_png(test_depth(4, 6), "d.png");
  for (int i = 0; i < 100; ++i) bytes.insert(bytes.find("IDAT") - 4, chunk);
  EXPECT_EQ(read_depth(write("d.png", bytes)).pixels, test_depth(4, 6).pixels);
  EXPECT_LT(peak_mib() - before_mib, 64);
}

#ifdef MD_WITH_LIBJPEG
/// The same JPEG with another size in its frame header.
std::string resized_jpeg(std::string bytes, int height, int width) {
  const std::size_t frame = bytes.find("\xFF\xC0");  // length, precision, height, width
  for (const auto& [at, value] : {std::pair{frame + 5, height}, {frame + 7, width}}) {
    bytes[at] = static_cast<char>(value >> 8);
    bytes[at + 1] = static_cast<char>(value);
  }
  return bytes;
}

TEST_F(ImageIoTest, HugeJpegsAreRefusedBeforeMemoryIsTaken) {
  const long before_mib = peak_mib();
  const std::string bytes = encode_jpeg_turbo(test_image(16, 16), 90, "a.jpg");
  const auto refused = [&](int width, int height, const std::string& why) {
    const std::string huge = resized_jpeg(bytes, height, width);
    EXPECT_TRUE(fails([&] { decode_jpeg_turbo(as_bytes(huge), "a.jpg"); }, ErrorKind::bad_data, "a.jpg: " + why));
    EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(huge), "a.jpg"); }, ErrorKind::bad_data, "a.jpg: "));
  };
  refused(60000, 60000, "60000x60000 pixels are more than 16384 a side");
  refused(16384, 2049, "16384x2049 pixels are more than 33554432");
  EXPECT_LT(peak_mib() - before_mib, 32);
}

// With 256 codes in a Huffman table stb_image 2.27 reads outside of it (libFuzzer found that).
TEST_F(ImageIoTest, JpegOfBrokenStructureIsRefusedBeforeStb) {
  const std::string bytes = encode_jpeg_turbo(test_image(16, 16), 90, "a.jpg");
  const std::size_t table = bytes.find("\xFF\xC4") + 2;  // length, class and number, 16 counts
  const auto changed = [&](std::size_t at, int value) {
    return std::string(bytes).replace(at, 1, 1, static_cast<char>(value));
  };
  const auto refused = [&](const std::string& file, const std::string& why) {
    EXPECT_TRUE(fails([&] { decode_jpeg_stb(as_bytes(file), "a.jpg"); }, ErrorKind::bad_data, "a.jpg: " + why));
  };
  refused(changed(table + 18, 255), "damaged JPEG (a Huffman table of more than 255 codes)");
  refused(changed(table + 18, 200), "damaged JPEG (a Huffman table longer than its segment)");
  refused(changed(table + 1, 0), "damaged JPEG (");
  refused(changed(2, 0), "damaged JPEG (no marker where one should be)");
  refused(encode_png(test_image(4, 4), "a.png"), "no JPEG");
  EXPECT_EQ(decode_jpeg_stb(as_bytes(bytes + "rest"), "a.jpg").width, 16);
}

// A scan of a progressive file may cost three bytes and a pass over 33 million pixels.
TEST_F(ImageIoTest, JpegOfTooManyScansIsRefused) {
  std::string bytes = encode_jpeg_turbo(test_image(16, 16), 90, "a.jpg");
  const std::size_t scan = bytes.find("\xFF\xDA"), end = bytes.size() - 2;
  const std::string one = bytes.substr(scan, end - scan);
  for (int i = 0; i < max_jpeg_scans; ++i) bytes.insert(end, one);
  for (const auto decode : {decode_jpeg_turbo, decode_jpeg_stb}) {
    EXPECT_TRUE(fails([&] { decode(as_bytes(bytes), "a.jpg"); }, ErrorKind::bad_data, "a.jpg: damaged JPEG ("));
  }
}
#endif

}  // namespace
}  // namespace md
