// libjpeg reports by callback and must not be unwound by C++ exceptions: errors note their text and jump back to the
// one setjmp of decode() or encode(), whose frames hold nothing that needs a destructor.
#ifdef MD_WITH_LIBJPEG
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <jpeglib.h>

#include <jerror.h>

#include "data/codecs.h"
#include "data/jpeg_header.h"
#include "engine/check.h"

namespace md {
namespace {

struct Trap {
  jpeg_error_mgr manager;
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char text[JMSG_LENGTH_MAX] = "";
  std::int64_t max_scans = max_jpeg_scans;
  bool unknown_kind = false;  // the file may be sound, but not for this library
};

[[noreturn]] void jump_back(j_common_ptr codec) {
  Trap& trap = *reinterpret_cast<Trap*>(codec->err);  // manager is the first member
  codec->err->format_message(codec, trap.text);
  const int code = codec->err->msg_code;
  trap.unknown_kind = code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED || code == JERR_ARITH_NOTIMPL;
  std::longjmp(trap.back, 1);
}

/// Remarks that leave every pixel as it was written: odd parameters, versions and profiles, bytes between segments.
bool is_harmless(int code) {
  return code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_PROGRESSION || code == JWRN_EXTRANEOUS_DATA ||
         code == JWRN_JFIF_MAJOR || code == JWRN_NOT_SEQUENTIAL || code == JWRN_BOGUS_ICC;
}

void on_message(j_common_ptr codec, int level) {
  if (level < 0 && !is_harmless(codec->err->msg_code)) jump_back(codec);  // the data is corrupt or ends early
}

void on_progress(j_common_ptr codec) {
  Trap& trap = *reinterpret_cast<Trap*>(codec->err);
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= trap.max_scans) return;
  std::snprintf(trap.text, sizeof trap.text, "more than %d scans", int(trap.max_scans));
  std::longjmp(trap.back, 1);
}

jpeg_error_mgr* arm(Trap& trap) {
  jpeg_std_error(&trap.manager);
  trap.manager.error_exit = jump_back;
  trap.manager.emit_message = on_message;
  trap.progress.progress_monitor = on_progress;
  return &trap.manager;
}

// --- The file, a piece at a time: as libjpeg's jdatasrc.c does ---

struct Feed {
  jpeg_source_mgr manager{};
  const ByteSource* source = nullptr;
  std::uint64_t at = 0;
  unsigned char piece[1 << 16];
};

void on_init(j_decompress_ptr) {}

boolean on_fill(j_decompress_ptr codec) {
  Feed& feed = *reinterpret_cast<Feed*>(codec->src);  // manager is the first member
  std::size_t got = feed.source->read(feed.at, feed.piece);
  feed.at += got;
  if (got == 0) {
    WARNMS(codec, JWRN_JPEG_EOF);
    feed.piece[0] = 0xFF;  // the end of the image, for what goes on nevertheless
    feed.piece[1] = JPEG_EOI;
    got = 2;
  }
  feed.manager.next_input_byte = feed.piece;
  feed.manager.bytes_in_buffer = got;
  return TRUE;
}

void on_skip(j_decompress_ptr codec, long bytes) {
  Feed& feed = *reinterpret_cast<Feed*>(codec->src);
  const std::size_t skipped = bytes > 0 ? std::size_t(bytes) : 0, here = feed.manager.bytes_in_buffer;
  if (skipped > here) feed.at += skipped - here;
  feed.manager.next_input_byte += std::min(skipped, here);
  feed.manager.bytes_in_buffer -= std::min(skipped, here);
}

void plug(Feed& feed, jpeg_decompress_struct& codec) {
  feed.manager.init_source = on_init;
  feed.manager.fill_input_buffer = on_fill;
  feed.manager.skip_input_data = on_skip;
  feed.manager.resync_to_restart = jpeg_resync_to_restart;
  feed.manager.term_source = on_init;
  codec.src = &feed.manager;
}

// --- Decoding ---

struct Reader {
  jpeg_decompress_struct codec{};
  Trap trap;
  Feed feed;
  std::vector<std::uint8_t> samples, rgb;  // a row
  ~Reader() { jpeg_destroy_decompress(&codec); }
};

/// What the library keeps of a file that comes in several scans: every coefficient.
std::uint64_t coefficient_bytes(jpeg_decompress_struct& codec) {
  if (!jpeg_has_multiple_scans(&codec)) return 0;
  std::uint64_t blocks = 0;
  for (int i = 0; i < codec.num_components; ++i) {
    const jpeg_component_info& component = codec.comp_info[i];
    blocks += (std::uint64_t{component.width_in_blocks} + 4) * (std::uint64_t{component.height_in_blocks} + 4);
  }
  return blocks * DCTSIZE2 * sizeof(JCOEF);
}

/// The inks as Adobe's programs store them, and so everybody: 255 is none. As Pillow rounds.
void cmyk_to_rgb(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4) {
    for (int c = 0; c < 3; ++c) *rgb++ = std::uint8_t((cmyk[c] * unsigned{cmyk[3]} + 127) / 255);
  }
}

/// False: the text is in the trap.
bool decode(Reader& reader, PictureRows& rows, int orientation) {
  if (setjmp(reader.trap.back)) return false;
  jpeg_decompress_struct& codec = reader.codec;
  jpeg_create_decompress(&codec);
  codec.progress = &reader.trap.progress;
  plug(reader.feed, codec);
  jpeg_read_header(&codec, TRUE);
  reader.trap.unknown_kind = codec.data_precision != 8;
  if (reader.trap.unknown_kind) return false;
  rows.check_size(codec.image_width, codec.image_height);
  reader.trap.max_scans = std::min<std::int64_t>(
      max_jpeg_scans, max_scanned_pixels / (std::int64_t{codec.image_width} * codec.image_height));
  const bool inks = codec.num_components == 4;
  codec.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  codec.scale_num = 1;
  codec.scale_denom = 1U << rows.halvings(int(codec.image_height), int(codec.image_width), 3);
  const std::uint64_t coefficients = coefficient_bytes(codec);
  jpeg_calc_output_dimensions(&codec);
  const int width = int(codec.output_width);
  rows.begin(int(codec.output_height), width, Samples::rgb, orientation, coefficients);
  reader.samples.resize(std::size_t(width) * 4);
  reader.rgb.resize(std::size_t(width) * 3);
  jpeg_start_decompress(&codec);
  while (codec.output_scanline < codec.output_height) {
    JSAMPROW row = inks ? reader.samples.data() : reader.rgb.data();
    jpeg_read_scanlines(&codec, &row, 1);
    if (inks) cmyk_to_rgb(reader.samples.data(), width, reader.rgb.data());
    rows.take(reader.rgb.data());
  }
  jpeg_finish_decompress(&codec);
  return true;
}

bool encode(const RgbImage& image, int quality, jpeg_compress_struct& codec, Trap& trap, unsigned char** bytes,
            unsigned long* size) {
  if (setjmp(trap.back)) return false;
  jpeg_create_compress(&codec);
  jpeg_mem_dest(&codec, bytes, size);
  codec.image_width = JDIMENSION(image.width);
  codec.image_height = JDIMENSION(image.height);
  codec.input_components = 3;
  codec.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, quality, TRUE);
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < codec.image_height) {
    auto* row = const_cast<JSAMPROW>(image.pixels.data() + std::size_t(codec.next_scanline) * image.width * 3);
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  return true;
}

}  // namespace

Exif stream_jpeg_turbo(const ByteSource& source, PictureRows& rows, bool upright) {
  const JpegHeader header = jpeg_header(source);
  const auto reader = std::make_unique<Reader>();
  reader->codec.err = arm(reader->trap);
  reader->feed.source = &source;
  if (decode(*reader, rows, upright ? header.exif.orientation : 1)) return header.exif;
  if (reader->trap.unknown_kind && !rare_jpeg(header).empty())
    fail(ErrorKind::bad_data, rows.name(), ": ", refusal_of_rare_jpeg(header));
  fail(ErrorKind::bad_data, rows.name(), ": damaged JPEG (", reader->trap.text, ")");
}

RgbImage decode_jpeg_turbo(Bytes bytes, const std::string& name) {
  PictureRows rows({.name = name});
  stream_jpeg_turbo(ByteSource(bytes), rows, false);
  return rows.finish();
}

std::string encode_jpeg_turbo(const RgbImage& image, int quality, const std::string& name) {
  Trap trap;
  jpeg_compress_struct codec{};
  codec.err = arm(trap);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool ok = encode(image, quality, codec, trap, &bytes, &size);
  jpeg_destroy_compress(&codec);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(bytes, &std::free);
  if (!ok) fail(ErrorKind::cannot_write, name, ": cannot encode JPEG (", trap.text, ")");
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace md
#endif
