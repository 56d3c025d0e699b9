// WebP by libwebp, which wants the whole file and the whole picture in memory.
#ifdef MD_WITH_WEBP
#include <webp/decode.h>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

[[noreturn]] void refuse(const PictureRows& rows, VP8StatusCode status) {
  const char* why = "damaged";
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) why = "the file ends early";
  if (status == VP8_STATUS_OUT_OF_MEMORY) why = "out of memory";
  fail(ErrorKind::bad_data, rows.name(), ": damaged WebP (", why, ")");
}

}  // namespace

Exif stream_webp(const ByteSource& source, PictureRows& rows) {
  const Exif exif = webp_exif(source);
  std::vector<unsigned char> storage;
  const Bytes bytes = whole_file(source, storage, rows.name());
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) fail(ErrorKind::contract, "libwebp is another version than its header");
  const VP8StatusCode known = WebPGetFeatures(bytes.data(), bytes.size(), &config.input);
  if (known != VP8_STATUS_OK) refuse(rows, known);
  if (config.input.has_animation) {
    fail(ErrorKind::bad_data, rows.name(),
         ": an animated WebP, which this program does not read; convert one of its "
         "pictures: webpmux -get frame 1 IN -o OUT.webp");
  }
  rows.check_size(std::uint64_t(config.input.width), std::uint64_t(config.input.height));
  const bool alpha = config.input.has_alpha != 0;
  const std::uint64_t pixels = std::uint64_t(config.input.width) * std::uint64_t(config.input.height);
  const std::size_t row = std::size_t(config.input.width) * (alpha ? 4U : 3U);
  const std::uint64_t inside = config.input.format == 1 ? alpha : 4;  // lossy: one plane of alpha; else all in 4 bytes
  rows.begin(config.input.height, config.input.width, alpha ? Samples::rgba : Samples::rgb, exif.orientation,
             storage.size() + pixels * inside + row * std::uint64_t(config.input.height));
  std::vector<std::uint8_t> samples(row * std::size_t(config.input.height));
  config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {samples.data(), int(row), samples.size()};
  const VP8StatusCode status = WebPDecode(bytes.data(), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) refuse(rows, status);
  for (std::size_t at = 0; at < samples.size(); at += row) rows.take(&samples[at]);
  return exif;
}

}  // namespace md
#endif
