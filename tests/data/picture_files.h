// Picture files of the kinds that people bring, made by hand or through the libraries: for tests and as fuzzing's
// seeds.
#pragma once
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/data/test_images.h"
#ifdef MD_WITH_LIBJPEG
#include <jpeglib.h>
#endif
#ifdef MD_WITH_WEBP
#include <webp/encode.h>
#endif
#ifdef MD_WITH_TIFF
#include <tiffio.h>
#endif
#ifdef MD_WITH_HEIF
#include <libheif/heif.h>
#ifdef __SANITIZE_ADDRESS__
/// x265, libheif's encoder of HEIC, does not free all it takes.
extern "C" [[gnu::used]] inline const char* __lsan_default_suppressions() { return "leak:libx265"; }
#endif
#endif

namespace md::test {

inline std::string number(std::uint32_t value, int bytes, bool big) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += char(value >> 8 * (big ? bytes - 1 - i : i));
  return text;
}

// --- EXIF ------------------------------------------------------------------------------------------------------------

/// What an EXIF block is to say, and how it is written.
struct ExifText {
  int orientation = 1;
  int focal_35mm = 0;  // 0: there is no such tag
  bool big = false;    // byte order
  bool longs = false;  // numbers of four bytes where two are usual
};

/// A TIFF structure: a folder of two tags besides the orientation, and EXIF's own folder behind it.
inline std::string exif_block(const ExifText& text) {
  const auto n = [&](std::uint32_t value, int bytes) { return number(value, bytes, text.big); };
  const auto entry = [&](std::uint32_t tag, std::uint32_t value, bool four) {
    return n(tag, 2) + n(four ? 4 : 3, 2) + n(1, 4) + (four ? n(value, 4) : n(value, 2) + n(0, 2));
  };
  const std::uint32_t second = 8 + 2 + 3 * 12 + 4;
  std::string block = (text.big ? "MM" : "II") + n(42, 2) + n(8, 4);
  block += n(3, 2) + entry(0x0100, 640, true) + entry(0x0112, std::uint32_t(text.orientation), text.longs) +
           entry(0x8769, second, true) + n(0, 4);
  const bool focal = text.focal_35mm > 0;
  block += n(focal ? 2 : 1, 2) + entry(0xA002, 640, false);
  if (focal) block += entry(0xA405, std::uint32_t(text.focal_35mm), text.longs);
  return block + n(0, 4);
}

/// How EXIF's orientation stores an upright picture, by the words of Exif 2.32: "the 0th row is at the visual ..., the
/// 0th column at the visual ...".
inline RgbImage stored_as(const RgbImage& upright, int orientation) {
  const int h = upright.height, w = upright.width;
  RgbImage stored{orientation >= 5 ? w : h, orientation >= 5 ? h : w, {}};
  for (int y = 0; y < stored.height; ++y) {
    for (int x = 0; x < stored.width; ++x) {
      const std::pair<int, int> places[] = {
          {y, x},                  // top, left
          {y, w - 1 - x},          // top, right
          {h - 1 - y, w - 1 - x},  // bottom, right
          {h - 1 - y, x},          // bottom, left
          {x, y},                  // left, top
          {x, w - 1 - y},          // right, top
          {h - 1 - x, w - 1 - y},  // right, bottom
          {h - 1 - x, y},          // left, bottom
      };
      const auto [row, column] = places[orientation - 1];
      const auto* pixel = &upright.pixels[(std::size_t(row) * w + column) * 3];
      stored.pixels.insert(stored.pixels.end(), pixel, pixel + 3);
    }
  }
  return stored;
}

// --- PNG -------------------------------------------------------------------------------------------------------------

/// A chunk of a PNG with its checksum, CRC-32 over type and data (PNG specification, annex D).
inline std::string png_chunk(const std::string& type_and_data) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : type_and_data) {
    crc ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return number(std::uint32_t(type_and_data.size() - 4), 4, true) + type_and_data + number(~crc, 4, true);
}

/// The PNG with a chunk more, before the pixels or behind them.
inline std::string with_chunk(std::string png, const std::string& type_and_data, bool behind = false) {
  return png.insert(png.find(behind ? "IEND" : "IDAT") - 4, png_chunk(type_and_data));
}

/// A PNG of any kind that the format knows.
struct PngKind {
  int height = 5, width = 7;
  int bit_depth = 8;
  int colour = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<png_color> palette = {};
  std::string transparency = {};  // the tRNS chunk's data
};

/// Rows as PNG packs them, big-endian; sample(y, x, channel) gives each number.
inline std::vector<std::vector<unsigned char>> packed_rows(const PngKind& kind,
                                                           const std::function<unsigned(int, int, int)>& sample) {
  constexpr int channels_of[] = {1, 0, 3, 1, 2, 0, 4};
  const int channels = channels_of[kind.colour];
  std::vector<std::vector<unsigned char>> rows;
  for (int y = 0; y < kind.height; ++y) {
    std::vector<unsigned char> row(std::size_t((kind.width * channels * kind.bit_depth + 7) / 8), 0);
    for (int i = 0; i < kind.width * channels; ++i) {
      const unsigned value = sample(y, i / channels, i % channels);
      const int bit = i * kind.bit_depth;
      if (kind.bit_depth == 16) {
        row[std::size_t(2 * i)] = static_cast<unsigned char>(value >> 8);
        row[std::size_t(2 * i + 1)] = static_cast<unsigned char>(value);
      } else {
        auto& byte = row[std::size_t(bit / 8)];
        byte = static_cast<unsigned char>(byte | value << (8 - kind.bit_depth - bit % 8));
      }
    }
    rows.push_back(row);
  }
  return rows;
}

inline std::string png_of(const PngKind& kind, const std::function<unsigned(int, int, int)>& sample) {
  std::vector<std::vector<unsigned char>> rows = packed_rows(kind, sample);
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  const auto append = [](png_structp to, png_bytep from, std::size_t size) {
    static_cast<std::string*>(png_get_io_ptr(to))->append(reinterpret_cast<const char*>(from), size);
  };
  png_set_write_fn(png, &bytes, append, nullptr);
  png_set_IHDR(png, info, png_uint_32(kind.width), png_uint_32(kind.height), kind.bit_depth, kind.colour,
               kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty()) png_set_PLTE(png, info, kind.palette.data(), int(kind.palette.size()));
  std::vector<png_bytep> pointers;
  for (auto& row : rows) pointers.push_back(row.data());
  png_set_rows(png, info, pointers.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return kind.transparency.empty() ? bytes : with_chunk(bytes, "tRNS" + kind.transparency);
}

// --- JPEG ------------------------------------------------------------------------------------------------------------

/// The JPEG with a segment more, behind its first one.
inline std::string with_segment(std::string jpeg, unsigned char marker, const std::string& data) {
  const auto first = std::size_t(static_cast<unsigned char>(jpeg[4]) << 8 | static_cast<unsigned char>(jpeg[5]));
  return jpeg.insert(4 + first,
                     "\xFF" + std::string(1, char(marker)) + number(std::uint32_t(data.size() + 2), 2, true) + data);
}
inline std::string with_exif(const std::string& jpeg, const std::string& block) {
  return with_segment(jpeg, 0xE1, std::string("Exif\0\0", 6) + block);
}

#ifdef MD_WITH_LIBJPEG
/// A JPEG that the program itself never writes.
struct JpegKind {
  int height = 17, width = 20;
  int channels = 3;
  J_COLOR_SPACE input = JCS_RGB, stored = JCS_YCbCr;
  bool progressive = false, arithmetic = false;
  int restart = 0;  // blocks
  int quality = 95;
};

inline std::string jpeg_of(const JpegKind& kind, const std::function<int(int, int, int)>& sample) {
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &bytes, &size);
  codec.image_height = JDIMENSION(kind.height);
  codec.image_width = JDIMENSION(kind.width);
  codec.input_components = kind.channels;
  codec.in_color_space = kind.input;
  jpeg_set_defaults(&codec);
  jpeg_set_colorspace(&codec, kind.stored);
  jpeg_set_quality(&codec, kind.quality, TRUE);
  codec.restart_interval = unsigned(kind.restart);
  codec.arith_code = kind.arithmetic ? TRUE : FALSE;
  if (kind.progressive) jpeg_simple_progression(&codec);
  jpeg_start_compress(&codec, TRUE);
  std::vector<unsigned char> row(std::size_t(kind.width * kind.channels));
  for (int y = 0; y < kind.height; ++y) {
    for (int i = 0; i < kind.width * kind.channels; ++i)
      row[std::size_t(i)] = static_cast<unsigned char>(sample(y, i / kind.channels, i % kind.channels));
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&codec, &rows, 1);
  }
  jpeg_finish_compress(&codec);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&codec);
  std::free(bytes);
  return file;
}

/// Smooth in place and channel.
inline int smooth(int y, int x, int channel) { return 40 + 3 * x + 5 * y + 30 * channel; }
#endif

// --- WebP ------------------------------------------------------------------------------------------------------------

inline std::string riff_chunk(const std::string& type, const std::string& data) {
  return type + number(std::uint32_t(data.size()), 4, false) + data + std::string(data.size() % 2, '\0');
}

#ifdef MD_WITH_WEBP
/// Lossless or not; `channels` 3 or 4; with an EXIF chunk unless `exif` is empty.
inline std::string webp_of(int height, int width, int channels, const std::vector<std::uint8_t>& pixels, bool lossless,
                           const std::string& exif = "") {
  unsigned char* bytes = nullptr;
  const int stride = width * channels;
  std::size_t size = 0;
  if (lossless && channels == 3) size = WebPEncodeLosslessRGB(pixels.data(), width, height, stride, &bytes);
  if (lossless && channels == 4) size = WebPEncodeLosslessRGBA(pixels.data(), width, height, stride, &bytes);
  if (!lossless && channels == 3) size = WebPEncodeRGB(pixels.data(), width, height, stride, 90, &bytes);
  if (!lossless && channels == 4) size = WebPEncodeRGBA(pixels.data(), width, height, stride, 90, &bytes);
  const std::string file(reinterpret_cast<const char*>(bytes), size);
  WebPFree(bytes);
  if (exif.empty()) return file;
  std::string chunks = file.substr(12);  // of the RIFF container
  if (!chunks.starts_with("VP8X")) {
    const auto flags = std::uint32_t(8 | (channels == 4 ? 16 : 0));
    chunks.insert(0, riff_chunk("VP8X", number(flags, 4, false) + number(std::uint32_t(width - 1), 3, false) +
                                            number(std::uint32_t(height - 1), 3, false)));
  } else {
    chunks[8] = char(chunks[8] | 8);
  }
  chunks += riff_chunk("EXIF", exif);
  return "RIFF" + number(std::uint32_t(chunks.size() + 4), 4, false) + "WEBP" + chunks;
}
#endif

// --- TIFF ------------------------------------------------------------------------------------------------------------

#ifdef MD_WITH_TIFF
struct TiffKind {
  int height = 5, width = 7;
  int channels = 3, bits = 8;
  int photometric = PHOTOMETRIC_RGB;
  int compression = COMPRESSION_NONE;
  int orientation = 1;
  int alpha = -1;  // EXTRASAMPLE_... of the last channel; -1: it is none
  int tile = 0;    // side; 0: strips
  int rows = 3;    // a strip
  int format = SAMPLEFORMAT_UINT;
  bool planes = false;  // a plane for each channel
  bool big = false;     // BigTIFF, big-endian
  bool thumbnail = false;
};

inline void set_tags(TIFF* tiff, const TiffKind& kind) {
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, kind.width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, kind.height);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, kind.channels);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, kind.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, kind.format);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, kind.photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, kind.compression);
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, kind.orientation);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, kind.planes ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  if (kind.thumbnail) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
  const auto alpha = std::uint16_t(kind.alpha);
  if (kind.alpha >= 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &alpha);
  std::vector<std::uint16_t> map(256);
  for (std::size_t i = 0; i < 256; ++i) map[i] = std::uint16_t((i * 3 % 256) * 257);
  if (kind.photometric == PHOTOMETRIC_PALETTE) TIFFSetField(tiff, TIFFTAG_COLORMAP, map.data(), map.data(), map.data());
  if (kind.tile > 0) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, kind.tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, kind.tile);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, kind.rows);
  }
}

/// Written to `path`. sample(y, x, channel) gives each number; bits 8, 16 or 32.
inline void write_tiff(const std::string& path, const TiffKind& kind,
                       const std::function<unsigned(int, int, int)>& sample) {
  TIFF* tiff = TIFFOpen(path.c_str(), kind.big ? "w8b" : "w");
  set_tags(tiff, kind);
  const int together = kind.planes ? 1 : kind.channels;  // channels in a piece
  const int step_y = kind.tile > 0 ? kind.tile : 1, step_x = kind.tile > 0 ? kind.tile : kind.width;
  const auto piece = [&](int y0, int x0, int plane) {
    std::vector<unsigned char> bytes;
    for (int i = 0; i < step_y * step_x * together; ++i) {
      const int y = y0 + i / together / step_x, x = x0 + i / together % step_x;
      const unsigned value = y < kind.height && x < kind.width ? sample(y, x, plane + i % together) : 0;
      const auto* from = reinterpret_cast<const unsigned char*>(&value);  // libtiff swaps where the file is big-endian
      bytes.insert(bytes.end(), from, from + kind.bits / 8);
    }
    return bytes;
  };
  for (int plane = 0; plane < (kind.planes ? kind.channels : 1); ++plane) {
    for (int y = 0; y < kind.height; y += step_y) {
      for (int x = 0; x < kind.width; x += step_x) {
        std::vector<unsigned char> bytes = piece(y, x, plane);
        if (kind.tile > 0) {
          TIFFWriteTile(tiff, bytes.data(), std::uint32_t(x), std::uint32_t(y), 0, std::uint16_t(plane));
        } else {
          TIFFWriteScanline(tiff, bytes.data(), std::uint32_t(y), std::uint16_t(plane));
        }
      }
    }
  }
  TIFFClose(tiff);
}
#endif

// --- HEIC, AVIF ------------------------------------------------------------------------------------------------------

#ifdef MD_WITH_HEIF
/// Empty if libheif has no encoder for it. libheif's turn and mirror (`orientation`, as EXIF counts) and an EXIF block
/// are things apart.
inline std::string heif_of(const RgbImage& stored, bool av1, int orientation, const std::string& exif) {
  heif_init(nullptr);
  const heif_compression_format format = av1 ? heif_compression_AV1 : heif_compression_HEVC;
  if (!heif_have_encoder_for_format(format)) return "";
  heif_context* context = heif_context_alloc();
  heif_encoder* encoder = nullptr;
  heif_context_get_encoder_for_format(context, format, &encoder);
  heif_encoder_set_lossy_quality(encoder, 95);
  heif_image* image = nullptr;
  heif_image_create(stored.width, stored.height, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &image);
  heif_image_add_plane(image, heif_channel_interleaved, stored.width, stored.height, 8);
  int stride = 0;
  std::uint8_t* plane = heif_image_get_plane(image, heif_channel_interleaved, &stride);
  for (int y = 0; y < stored.height; ++y)
    std::memcpy(plane + y * stride, &stored.pixels[std::size_t(y) * stored.width * 3], std::size_t(stored.width) * 3);
  heif_encoding_options* options = heif_encoding_options_alloc();
  options->image_orientation = heif_orientation(orientation);
  heif_image_handle* handle = nullptr;
  heif_context_encode_image(context, image, encoder, options, &handle);
  if (!exif.empty()) heif_context_add_exif_metadata(context, handle, exif.data(), int(exif.size()));
  std::string file;
  heif_writer writer{};
  writer.writer_api_version = 1;
  writer.write = [](heif_context*, const void* data, std::size_t size, void* to) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return heif_error{heif_error_Ok, heif_suberror_Unspecified, ""};
  };
  heif_context_write(context, &writer, &file);
  heif_image_handle_release(handle);
  heif_encoding_options_free(options);
  heif_image_release(image);
  heif_encoder_release(encoder);
  heif_context_free(context);
  return file;
}
#endif

// --- BMP -------------------------------------------------------------------------------------------------------------

/// A BMP of packed rows from the bottom; `masks` stand behind a header of 40 bytes.
struct BmpKind {
  int height = 3, width = 5;  // height < 0: from the top
  int bits = 24;
  std::vector<std::uint32_t> masks = {};
  std::string palette = {};  // four bytes a colour: blue, green, red, 0
  bool core = false;         // the header of 12 bytes, whose palette has three bytes a colour
  std::uint32_t compression = 0;
};

inline std::string bmp_of(const BmpKind& kind, const std::function<std::uint32_t(int, int)>& pixel) {
  const auto n = [](std::int64_t value, int bytes) { return number(std::uint32_t(value), bytes, false); };
  const std::uint32_t compression = kind.compression         ? kind.compression
                                    : kind.masks.empty()     ? 0U
                                    : kind.masks.size() == 4 ? 6U
                                                             : 3U;
  std::string header = kind.core ? n(12, 4) + n(kind.width, 2) + n(kind.height, 2) + n(1, 2) + n(kind.bits, 2)
                                 : n(40, 4) + n(kind.width, 4) + n(kind.height, 4) + n(1, 2) + n(kind.bits, 2) +
                                       n(compression, 4) + n(0, 4) + n(2835, 4) + n(2835, 4) +
                                       n(std::int64_t(kind.palette.size() / 4), 4) + n(0, 4);
  for (const std::uint32_t mask : kind.masks) header += n(mask, 4);
  header += kind.palette;
  std::string rows;
  const int height = std::abs(kind.height);
  for (int i = 0; i < height; ++i) {
    const int y = kind.height < 0 ? i : height - 1 - i;
    std::string row(std::size_t((kind.width * kind.bits + 31) / 32 * 4), '\0');
    for (int x = 0; x < kind.width; ++x) {
      const std::uint32_t value = pixel(y, x);
      if (kind.bits < 8) {
        auto& byte = row[std::size_t(x * kind.bits / 8)];
        byte = char(byte | value << (8 - kind.bits - x * kind.bits % 8));
      } else {
        row.replace(std::size_t(x * kind.bits / 8), std::size_t(kind.bits / 8), n(value, kind.bits / 8));
      }
    }
    rows += row;
  }
  return "BM" + n(std::int64_t(14 + header.size() + rows.size()), 4) + n(0, 4) +
         n(std::int64_t(14 + header.size()), 4) + header + rows;
}

}  // namespace md::test
