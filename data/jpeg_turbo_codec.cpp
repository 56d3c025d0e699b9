// libjpeg reports by callback and must not be unwound by C++ exceptions: errors and warnings note their text and jump
// back to the one setjmp of decode() or encode(), whose frames hold nothing that needs a destructor.
#ifdef MD_WITH_LIBJPEG
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <jpeglib.h>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

struct Trap {
  jpeg_error_mgr manager;
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char text[JMSG_LENGTH_MAX];
  bool damaged = true;  // else it is sound, but not for us
};

[[noreturn]] void jump_back(j_common_ptr codec) {
  Trap& trap = *reinterpret_cast<Trap*>(codec->err);  // manager is the first member
  codec->err->format_message(codec, trap.text);
  std::longjmp(trap.back, 1);
}

void on_message(j_common_ptr codec, int level) {
  if (level < 0) jump_back(codec);  // a warning: the data is corrupt or ends early
}

void on_progress(j_common_ptr codec) {
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= max_jpeg_scans) return;
  Trap& trap = *reinterpret_cast<Trap*>(codec->err);
  std::snprintf(trap.text, sizeof trap.text, "more than %d scans", max_jpeg_scans);
  std::longjmp(trap.back, 1);
}

jpeg_error_mgr* arm(Trap& trap) {
  jpeg_std_error(&trap.manager);
  trap.manager.error_exit = jump_back;
  trap.manager.emit_message = on_message;
  trap.progress.progress_monitor = on_progress;
  return &trap.manager;
}

/// False: the text is in `trap`.
bool decode(Bytes bytes, jpeg_decompress_struct& codec, Trap& trap, RgbImage& image) {
  if (setjmp(trap.back)) return false;
  jpeg_create_decompress(&codec);
  codec.progress = &trap.progress;
  jpeg_mem_src(&codec, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&codec, TRUE);
  trap.damaged = is_readable_size(codec.image_width, codec.image_height, trap.text);
  if (!trap.damaged) return false;
  codec.out_color_space = JCS_RGB;
  jpeg_start_decompress(&codec);
  image.height = int(codec.output_height);
  image.width = int(codec.output_width);
  image.pixels.resize(std::size_t(image.height) * image.width * 3);
  while (codec.output_scanline < codec.output_height) {
    JSAMPROW row = image.pixels.data() + std::size_t(codec.output_scanline) * image.width * 3;
    jpeg_read_scanlines(&codec, &row, 1);
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

RgbImage decode_jpeg_turbo(Bytes bytes, const std::string& name) {
  Trap trap;
  jpeg_decompress_struct codec{};
  codec.err = arm(trap);
  RgbImage image;
  const bool ok = decode(bytes, codec, trap, image);
  jpeg_destroy_decompress(&codec);
  if (!ok && trap.damaged) fail(ErrorKind::bad_data, name, ": damaged JPEG (", trap.text, ")");
  if (!ok) fail(ErrorKind::bad_data, name, ": ", trap.text);
  return image;
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
