// HEIC and AVIF by libheif, which wants the whole file and the whole picture in memory, and turns it upright itself:
// the orientation that EXIF repeats is not applied again.
#ifdef MD_WITH_HEIF
#include "data/heif_codec.h"

#include <libheif/heif.h>

#include <algorithm>
#include <memory>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr std::size_t kMostExifBytes = 1 << 20;
// What libheif holds of a pixel, planes as decoded, turned and as RGB: 8.4 bytes as measured (libheif 1.15, HEIC of 12
// megapixels, 8 bits a sample); samples of more bits take two bytes each.
constexpr std::uint64_t kBytesAPixel = 9, kBytesADeepPixel = 18;

using Context = std::unique_ptr<heif_context, decltype(&heif_context_free)>;
using Image = std::unique_ptr<heif_image, decltype(&heif_image_release)>;
using Handle = std::unique_ptr<heif_image_handle, decltype(&heif_image_handle_release)>;
using Options = std::unique_ptr<heif_decoding_options, decltype(&heif_decoding_options_free)>;

void check(const heif_error& error, const PictureRows& rows) {
  if (error.code == heif_error_Ok) return;
  fail(ErrorKind::bad_data, rows.name(), ": libheif cannot decode this picture (", printable(error.message), ")");
}

/// No claim of a header may take more memory than a picture may.
void limit(heif_context* context) {
#if LIBHEIF_NUMERIC_VERSION >= 0x01130000  // 1.19
  heif_security_limits* limits = heif_context_get_security_limits(context);
  limits->max_image_size_pixels = std::uint64_t(max_picture_pixels);
  limits->max_memory_block_size = max_picture_bytes;
#else
  heif_context_set_maximum_image_size_limit(context, max_picture_side);
#endif
}

/// Of the camera; the orientation is libheif's business.
Exif exif_of(heif_image_handle* picture) {
  heif_item_id block = 0;
  if (heif_image_handle_get_list_of_metadata_block_IDs(picture, "Exif", &block, 1) != 1) return {};
  const std::size_t size = heif_image_handle_get_metadata_size(picture, block);
  if (size < 4 || size > kMostExifBytes) return {};
  std::vector<unsigned char> bytes(size);
  if (heif_image_handle_get_metadata(picture, block, bytes.data()).code != heif_error_Ok) return {};
  const std::uint64_t at = 4 + std::uint64_t{big32(bytes.data())};  // the block begins with where its TIFF structure is
  Exif exif = parse_exif(ByteSource(bytes), at, size - std::min<std::uint64_t>(at, size));
  exif.orientation = 1;
  return exif;
}

void check_warnings(heif_image* image, const PictureRows& rows) {
  heif_error warning{};
  if (heif_image_get_decoding_warnings(image, 0, &warning, 1) > 0 && warning.code != heif_error_Ok)
    fail(ErrorKind::bad_data, rows.name(), ": damaged picture (libheif: ", printable(warning.message), ")");
}

Image decode(heif_image_handle* picture, bool alpha, const PictureRows& rows) {
  const Options options(heif_decoding_options_alloc(), &heif_decoding_options_free);
  options->convert_hdr_to_8bit = 1;
  heif_image* image = nullptr;
  check(heif_decode_image(picture, &image, heif_colorspace_RGB,
                          alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options.get()),
        rows);
  return {image, &heif_image_release};
}

Samples samples_of(heif_image_handle* picture) {
  if (!heif_image_handle_has_alpha_channel(picture)) return Samples::rgb;
  return heif_image_handle_is_premultiplied_alpha(picture) ? Samples::rgba_premultiplied : Samples::rgba;
}

void start() {
  static const heif_error started = heif_init(nullptr);  // loads decoders; never undone
  static_cast<void>(started);
}

}  // namespace

bool heif_can_decode(bool av1) {
  start();
  return heif_have_decoder_for_format(av1 ? heif_compression_AV1 : heif_compression_HEVC) != 0;
}

Exif stream_heif(const ByteSource& source, PictureRows& rows) {
  start();
  std::vector<unsigned char> storage;
  const Bytes bytes = whole_file(source, storage, rows.name());
  const Context context(heif_context_alloc(), &heif_context_free);
  limit(context.get());
  check(heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr), rows);
  heif_image_handle* primary = nullptr;
  check(heif_context_get_primary_image_handle(context.get(), &primary), rows);
  const Handle picture(primary, &heif_image_handle_release);
  const int width = heif_image_handle_get_width(primary), height = heif_image_handle_get_height(primary);
  rows.check_size(std::uint64_t(std::max(width, 0)), std::uint64_t(std::max(height, 0)));
  const Samples samples = samples_of(primary);
  const bool deep = heif_image_handle_get_luma_bits_per_pixel(primary) > 8;
  rows.begin(height, width, samples, 1,
             storage.size() + (deep ? kBytesADeepPixel : kBytesAPixel) * std::uint64_t(width) * std::uint64_t(height));
  const Image image = decode(primary, samples != Samples::rgb, rows);
  check_warnings(image.get(), rows);
  int stride = 0;
  const std::uint8_t* plane = heif_image_get_plane_readonly(image.get(), heif_channel_interleaved, &stride);
  if (!plane || heif_image_get_width(image.get(), heif_channel_interleaved) != width ||
      heif_image_get_height(image.get(), heif_channel_interleaved) != height)
    fail(ErrorKind::bad_data, rows.name(), ": damaged picture (of another size than it says)");
  for (int y = 0; y < height; ++y) rows.take(plane + std::ptrdiff_t(y) * stride);
  return exif_of(primary);
}

}  // namespace md
#endif
