// libpng reports by callback and must not be unwound by C++ exceptions: an error notes its text and jumps back to the
// one setjmp of decode() or encode(), whose frames hold nothing that needs a destructor.
#include "data/codecs.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "engine/check.h"

namespace md {
namespace {

struct Format {
  int bit_depth, colour;
};
constexpr Format rgb8{8, PNG_COLOR_TYPE_RGB}, grey16{16, PNG_COLOR_TYPE_GRAY};

const char* name_of_colour(int colour) {
  switch (colour) {
    case PNG_COLOR_TYPE_GRAY:
      return "grey";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return "grey with alpha";
    case PNG_COLOR_TYPE_PALETTE:
      return "palette";
    case PNG_COLOR_TYPE_RGB:
      return "RGB";
    default:
      return "RGB with alpha";
  }
}

/// What the callbacks reach. The library's structs are made by decode() and encode(), behind their setjmp, and freed by
/// the destructors of Reader and Writer, which no jump crosses.
struct Codec {
  std::jmp_buf back;
  char text[256] = "";
  Bytes source;  // what is left to read
  std::string* sink = nullptr;
  png_structp png = nullptr;
  png_infop info = nullptr;
};
struct Reader : Codec {
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};
struct Writer : Codec {
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto& codec = *static_cast<Codec*>(png_get_error_ptr(png));
  std::snprintf(codec.text, sizeof codec.text, "%s", text);
  std::longjmp(codec.back, 1);
}

void on_warning(png_structp, png_const_charp) {}  // odd metadata; whatever concerns pixels is an error

void on_read(png_structp png, png_bytep to, std::size_t size) {
  auto& codec = *static_cast<Codec*>(png_get_io_ptr(png));
  if (size > codec.source.size()) png_error(png, "the file ends early");
  std::memcpy(to, codec.source.data(), size);
  codec.source = codec.source.subspan(size);
}

void on_write(png_structp png, png_bytep from, std::size_t size) {
  static_cast<Codec*>(png_get_io_ptr(png))->sink->append(reinterpret_cast<const char*>(from), size);
}

void on_flush(png_structp) {}

bool out_of_memory(Codec& codec) {
  std::snprintf(codec.text, sizeof codec.text, "out of memory");
  return false;
}

/// False: the text is in `codec`. Pixels are in this machine's byte order.
template <class Image>
bool decode(Codec& codec, Format want, std::size_t samples_a_pixel, Image& image) {
  if (setjmp(codec.back)) return false;
  png_structp png = codec.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &codec, on_error, on_warning);
  codec.info = png ? png_create_info_struct(png) : nullptr;
  if (!codec.info) return out_of_memory(codec);
  png_set_read_fn(png, &codec, on_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours below say what is wrong
  // What is not about pixels is passed over, not unpacked: text chunks expand a thousandfold.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, codec.info);
  const Format got{png_get_bit_depth(png, codec.info), png_get_color_type(png, codec.info)};
  if (got.bit_depth != want.bit_depth || got.colour != want.colour) {
    std::snprintf(codec.text, sizeof codec.text, "this PNG is %d-bit %s; wanted is %d-bit %s", got.bit_depth,
                  name_of_colour(got.colour), want.bit_depth, name_of_colour(want.colour));
    return false;
  }
  const png_uint_32 width = png_get_image_width(png, codec.info), height = png_get_image_height(png, codec.info);
  if (!is_readable_size(width, height, codec.text)) return false;
  if (want.bit_depth == 16) png_set_swap(png);  // PNG is big-endian
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, codec.info);
  image.height = int(height);
  image.width = int(width);
  const std::size_t row = std::size_t(image.width) * samples_a_pixel;
  image.pixels.resize(row * std::size_t(image.height));
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image.height; ++y) {
      png_read_row(png, reinterpret_cast<png_bytep>(image.pixels.data() + std::size_t(y) * row), nullptr);
    }
  }
  png_read_end(png, nullptr);
  return true;
}

template <class Image>
bool encode(Codec& codec, Format format, std::size_t samples_a_pixel, const Image& image) {
  if (setjmp(codec.back)) return false;
  png_structp png = codec.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &codec, on_error, on_warning);
  codec.info = png ? png_create_info_struct(png) : nullptr;
  if (!codec.info) return out_of_memory(codec);
  png_set_write_fn(png, &codec, on_write, on_flush);
  png_set_IHDR(png, codec.info, png_uint_32(image.width), png_uint_32(image.height), format.bit_depth, format.colour,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, codec.info);
  if (format.bit_depth == 16) png_set_swap(png);
  const std::size_t row = std::size_t(image.width) * samples_a_pixel;
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png, reinterpret_cast<png_const_bytep>(image.pixels.data() + std::size_t(y) * row));
  }
  png_write_end(png, nullptr);
  return true;
}

template <class Image>
Image read(Bytes bytes, Format want, std::size_t samples_a_pixel, const std::string& name) {
  Reader codec;
  codec.source = bytes;
  Image image;
  if (!decode(codec, want, samples_a_pixel, image)) fail(ErrorKind::bad_data, name, ": ", codec.text);
  return image;
}

template <class Image>
std::string write(const Image& image, Format format, std::size_t samples_a_pixel, const std::string& name) {
  std::string bytes;
  Writer codec;
  codec.sink = &bytes;
  if (!encode(codec, format, samples_a_pixel, image))
    fail(ErrorKind::cannot_write, name, ": cannot encode PNG (", codec.text, ")");
  return bytes;
}

}  // namespace

RgbImage decode_png_rgb(Bytes bytes, const std::string& name) { return read<RgbImage>(bytes, rgb8, 3, name); }
DepthImage decode_png_depth(Bytes bytes, const std::string& name) { return read<DepthImage>(bytes, grey16, 1, name); }
std::string encode_png(const RgbImage& image, const std::string& name) { return write(image, rgb8, 3, name); }
std::string encode_png(const DepthImage& image, const std::string& name) { return write(image, grey16, 1, name); }

}  // namespace md
