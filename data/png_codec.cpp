// libpng reports by callback and must not be unwound by C++ exceptions: an error notes its text and jumps back to the
// setjmp of whoever called the library, whose frame holds nothing that needs a destructor.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/codecs.h"
#include "data/png_writer.h"
#include "engine/check.h"
#include "engine/durable_file.h"

namespace md {
namespace {

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

/// What the callbacks reach. The library's structs are made behind a setjmp, and freed by the destructors of Reader and
/// Writer, which no jump crosses.
struct Codec {
  std::jmp_buf back;
  char text[256] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto& codec = *static_cast<Codec*>(png_get_error_ptr(png));
  std::snprintf(codec.text, sizeof codec.text, "%s", text);
  std::longjmp(codec.back, 1);
}

void on_warning(png_structp, png_const_charp) {}  // odd metadata; whatever concerns pixels is an error

bool out_of_memory(Codec& codec) {
  std::snprintf(codec.text, sizeof codec.text, "out of memory");
  return false;
}

// --- Reading ---

struct Reader : Codec {
  explicit Reader(const ByteSource& bytes) : source(bytes) {}
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }

  const ByteSource& source;
  std::uint64_t at = 0;
  std::vector<std::uint8_t> samples;  // a row, or of an interlaced picture all of them
};

void on_read(png_structp png, png_bytep to, std::size_t size) {
  auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (!reader.source.read_all(reader.at, {to, size})) png_error(png, "the file ends early");
  reader.at += size;
}

/// The structs, and what stands before the pixels. False: the text is in `reader`. Called behind the caller's setjmp.
bool open(Reader& reader, int damaged_text) {
  png_structp png = reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  reader.info = png ? png_create_info_struct(png) : nullptr;
  if (!reader.info) return out_of_memory(reader);
  png_set_read_fn(png, &reader, on_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // ours say what is wrong
  // What is not about pixels is passed over, not unpacked: text chunks expand a thousandfold.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, damaged_text);
  png_read_info(png, reader.info);
  return true;
}

bool decode_depth(Reader& reader, const RowsSpec& limits, DepthImage& image) {
  if (setjmp(reader.back)) return false;
  if (!open(reader, PNG_CRC_ERROR_QUIT)) return false;
  png_structp png = reader.png;
  const int bit_depth = png_get_bit_depth(png, reader.info), colour = png_get_color_type(png, reader.info);
  if (bit_depth != 16 || colour != PNG_COLOR_TYPE_GRAY) {
    std::snprintf(reader.text, sizeof reader.text, "this PNG is %d-bit %s; wanted is 16-bit grey", bit_depth,
                  name_of_colour(colour));
    return false;
  }
  const png_uint_32 width = png_get_image_width(png, reader.info), height = png_get_image_height(png, reader.info);
  check_picture_size(width, height, limits);
  png_set_swap(png);  // PNG is big-endian
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader.info);
  image.height = int(height);
  image.width = int(width);
  image.pixels.resize(std::size_t(width) * height);
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y)
      png_read_row(png, reinterpret_cast<png_bytep>(image.pixels.data() + std::size_t(y) * width), nullptr);
  }
  png_read_end(png, nullptr);
  return true;
}

/// Whatever is stored becomes 8 bits of red, green, blue, and alpha where there is any.
void ask_for_rgb(png_structp png) {
  png_set_expand(png);  // palettes, fewer than 8 bits, and the transparency of palettes and of one colour
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
}

bool decode_colour(Reader& reader, PictureRows& rows, int orientation) {
  if (setjmp(reader.back)) return false;
  // A damaged remark is no damaged picture.
  if (!open(reader, PNG_CRC_WARN_DISCARD)) return false;
  png_structp png = reader.png;
  const png_uint_32 width = png_get_image_width(png, reader.info), height = png_get_image_height(png, reader.info);
  rows.check_size(width, height);
  ask_for_rgb(png);
  const bool interlaced = png_set_interlace_handling(png) > 1;
  png_read_update_info(png, reader.info);
  const std::size_t row = png_get_rowbytes(png, reader.info), kept = interlaced ? height : 1;
  const Samples samples = png_get_channels(png, reader.info) == 4 ? Samples::rgba : Samples::rgb;
  rows.begin(int(height), int(width), samples, orientation, row * kept);
  reader.samples.resize(row * kept);
  for (int pass = 0; interlaced && pass < 7; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(png, &reader.samples[y * row], nullptr);
  }
  for (png_uint_32 y = 0; y < height; ++y) {
    if (!interlaced) png_read_row(png, reader.samples.data(), nullptr);
    rows.take(&reader.samples[interlaced ? y * row : 0]);
  }
  png_read_end(png, nullptr);
  return true;
}

// --- Writing ---

/// Takes bytes; may throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const void* data, std::size_t bytes) = 0;
};

struct MemorySink : Sink {
  std::string bytes;
  void write(const void* data, std::size_t size) override { bytes.append(static_cast<const char*>(data), size); }
};

struct FileSink : Sink {
  explicit FileSink(const std::string& path) : file(path) {}
  DurableFile file;
  void write(const void* data, std::size_t size) override { file.write(data, size); }
};

struct Writer : Codec {
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

/// A PNG, row by row, into a sink. Throws ErrorKind::cannot_write, and what the sink throws.
class PngEncoder : Writer {
 public:
  PngEncoder(Sink& sink, std::string name, int height, int width, int bit_depth, int colour)
      : sink_(sink), name_(std::move(name)), rows_(height) {
    if (!begin(height, width, bit_depth, colour)) refuse();
  }
  PngEncoder(const PngEncoder&) = delete;
  PngEncoder& operator=(const PngEncoder&) = delete;

  void row(const void* samples) {
    MD_CHECK(rows_-- > 0, name_, ": more rows than the picture has");
    if (!put(samples)) refuse();
  }
  void finish() {
    MD_CHECK(rows_ == 0, name_, ": ", rows_, " rows of the picture are missing");
    if (!end()) refuse();
  }

 private:
  static void on_write(png_structp png, png_bytep from, std::size_t size) {
    auto& encoder = *static_cast<PngEncoder*>(png_get_io_ptr(png));
    try {
      encoder.sink_.write(from, size);
    } catch (...) {
      encoder.thrown_ = std::current_exception();
    }
    if (encoder.thrown_) png_error(png, "not written");
  }
  static void on_flush(png_structp) {}

  bool begin(int height, int width, int bit_depth, int colour) {
    if (setjmp(back)) return false;
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<Codec*>(this), on_error, on_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (!info) return out_of_memory(*this);
    png_set_write_fn(png, this, on_write, on_flush);
    png_set_IHDR(png, info, png_uint_32(width), png_uint_32(height), bit_depth, colour, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    if (bit_depth == 16) png_set_swap(png);
    return true;
  }
  bool put(const void* samples) {
    if (setjmp(back)) return false;
    png_write_row(png, static_cast<png_const_bytep>(samples));
    return true;
  }
  bool end() {
    if (setjmp(back)) return false;
    png_write_end(png, nullptr);
    return true;
  }
  [[noreturn]] void refuse() {
    if (thrown_) std::rethrow_exception(thrown_);
    fail(ErrorKind::cannot_write, name_, ": cannot encode PNG (", text, ")");
  }

  Sink& sink_;
  std::string name_;
  int rows_;  // still to come
  std::exception_ptr thrown_;
};

PngEncoder depth_encoder(Sink& sink, const std::string& name, int height, int width) {
  return {sink, name, height, width, 16, PNG_COLOR_TYPE_GRAY};
}
PngEncoder colour_encoder(Sink& sink, const std::string& name, int height, int width) {
  return {sink, name, height, width, 8, PNG_COLOR_TYPE_RGB};
}

template <class Image>
std::string encode(MemorySink& sink, PngEncoder&& encoder, const Image& image) {
  const std::size_t row = image.pixels.size() / std::size_t(image.height);
  for (int y = 0; y < image.height; ++y) encoder.row(&image.pixels[std::size_t(y) * row]);
  encoder.finish();
  return std::move(sink.bytes);
}

}  // namespace

Exif stream_png(const ByteSource& source, PictureRows& rows, bool upright) {
  const Exif exif = png_exif(source);
  Reader reader(source);
  if (!decode_colour(reader, rows, upright ? exif.orientation : 1))
    fail(ErrorKind::bad_data, rows.name(), ": ", printable(reader.text));
  return exif;
}

RgbImage decode_png_rgb(Bytes bytes, const std::string& name) {
  PictureRows rows({.name = name});
  stream_png(ByteSource(bytes), rows, false);
  return rows.finish();
}

DepthImage decode_png_depth(const ByteSource& source, const std::string& name) {
  Reader reader(source);
  DepthImage image;
  if (!decode_depth(reader, {.name = name}, image)) fail(ErrorKind::bad_data, name, ": ", printable(reader.text));
  return image;
}
DepthImage decode_png_depth(Bytes bytes, const std::string& name) { return decode_png_depth(ByteSource(bytes), name); }

std::string encode_png(const RgbImage& image, const std::string& name) {
  MemorySink sink;
  return encode(sink, colour_encoder(sink, name, image.height, image.width), image);
}
std::string encode_png(const DepthImage& image, const std::string& name) {
  MemorySink sink;
  return encode(sink, depth_encoder(sink, name, image.height, image.width), image);
}

/// The file, and the encoder that writes into it.
struct PngFile {
  PngFile(const std::string& path, int height, int width, bool depth)
      : sink(path),
        encoder(depth ? depth_encoder(sink, path, height, width) : colour_encoder(sink, path, height, width)) {}
  void finish() {
    encoder.finish();
    sink.file.commit();
  }
  FileSink sink;
  PngEncoder encoder;
};

template <class Sample>
PngWriter<Sample>::PngWriter(const std::string& path, int height, int width)
    : file_(std::make_unique<PngFile>(path, height, width, sizeof(Sample) == 2)) {}
template <class Sample>
PngWriter<Sample>::~PngWriter() = default;
template <class Sample>
void PngWriter<Sample>::write_row(const Sample* samples) {
  file_->encoder.row(samples);
}
template <class Sample>
void PngWriter<Sample>::finish() {
  file_->finish();
}
template class PngWriter<std::uint16_t>;
template class PngWriter<std::uint8_t>;

}  // namespace md
