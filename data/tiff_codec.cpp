// TIFF by libtiff, which makes RGB of whatever it knows, a band of rows at a time. It reads by callback, reports by
// callback, and takes no more memory at once than it is told.
#ifdef MD_WITH_TIFF
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr std::uint64_t kBandPixels = std::uint64_t{1} << 24;  // 64 MiB as libtiff gives them
constexpr std::uint64_t kMostMapped = std::uint64_t{1} << 26;

/// A file as libtiff sees it.
struct Handle {
  const ByteSource& source;
  std::uint64_t at = 0;
  char text[256] = "";  // of the first error
  std::vector<unsigned char> storage = {};
};

tmsize_t on_read(thandle_t handle, void* to, tmsize_t size) {
  Handle& file = *static_cast<Handle*>(handle);
  const std::size_t got = file.source.read(file.at, {static_cast<unsigned char*>(to), std::size_t(size)});
  file.at += got;
  return tmsize_t(got);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }
toff_t on_seek(thandle_t handle, toff_t offset, int from) {
  Handle& file = *static_cast<Handle*>(handle);
  if (from == SEEK_CUR) offset += file.at;
  if (from == SEEK_END) offset += file.source.size();
  return file.at = offset;
}
int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return static_cast<Handle*>(handle)->source.size(); }
/// A file that is not large, in one piece: up to 4.5 libtiff reads plain tiles of odd sizes from no other.
int on_map(thandle_t handle, void** base, toff_t* size) {
  Handle& file = *static_cast<Handle*>(handle);
  if (file.source.size() > kMostMapped) return 0;
  const Bytes bytes = file.source.whole(file.storage);
  *base = const_cast<unsigned char*>(bytes.data());  // which libtiff, reading, does not change
  *size = bytes.size();
  return 1;
}
void on_unmap(thandle_t, void*, toff_t) {}

int on_error(TIFF*, void* handle, const char*, const char* format, va_list values) {
  Handle& file = *static_cast<Handle*>(handle);
  if (file.text[0] == '\0') std::vsnprintf(file.text, sizeof file.text, format, values);
  return 1;  // nothing more is to be done
}
int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Tiff = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

Tiff open(Handle& handle) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 &TIFFOpenOptionsFree);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t(max_picture_bytes / 2 + max_picture_bytes / 8));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &handle);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &handle);
  return {TIFFClientOpenExt("file", "r", &handle, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap,
                            options.get()),
          &TIFFClose};
}

template <class Value>
Value field(TIFF* tiff, std::uint32_t tag, Value otherwise) {
  Value value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) ? value : otherwise;
}

/// The tag's list of what the samples beyond the colours are; the first counts.
std::uint16_t extra_sample(TIFF* tiff) {
  std::uint16_t count = 0;
  std::uint16_t* kinds = nullptr;
  if (!TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) return EXTRASAMPLE_UNSPECIFIED;
  return kinds[0];
}

/// A camera's raw file begins with a small picture for the impatient.
bool begins_with_thumbnail(TIFF* tiff) {
  const unsigned char* version = nullptr;
  return TIFFGetField(tiff, TIFFTAG_DNGVERSION, &version) == 1 ||
         (field<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) != 0;
}

/// What the alpha samples are. libtiff would weight colours with an alpha that is not yet in them; told that it is, it
/// gives both as they are stored.
std::optional<Samples> alpha_of(TIFF* tiff) {
  const std::uint16_t kind = extra_sample(tiff);
  if (kind == EXTRASAMPLE_ASSOCALPHA) return Samples::rgba_premultiplied;
  if (kind != EXTRASAMPLE_UNASSALPHA) return std::nullopt;
  const std::uint16_t weighted = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &weighted);
  return Samples::rgba;
}

/// libtiff's converter, begun and ended.
struct Converter {
  TIFFRGBAImage image{};
  bool begun = false;
  ~Converter() {
    if (begun) TIFFRGBAImageEnd(&image);
  }
};

/// Rows that are decoded together, and the bytes that this takes.
struct Band {
  std::uint64_t rows = 0, bytes = 0;
};
Band band_of(TIFF* tiff, std::uint64_t width, std::uint64_t height, std::uint64_t file_bytes) {
  const bool tiled = TIFFIsTiled(tiff) != 0;
  const std::uint64_t rows = field<std::uint32_t>(tiff, tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, 1);
  const bool planes = field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  const std::uint64_t piece = (tiled ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff)) * (planes ? 4 : 1);
  Band band;
  band.rows = std::clamp<std::uint64_t>(kBandPixels / width, 1, std::min(std::max<std::uint64_t>(rows, 1), height));
  band.bytes = piece + std::min(piece, file_bytes) + band.rows * width * sizeof(std::uint32_t);  // and packed
  return band;
}

/// A row of libtiff's, four bytes a pixel in one number, as bytes.
void unpack(const std::uint32_t* pixels, std::uint64_t width, bool alpha, std::vector<std::uint8_t>& samples) {
  std::uint8_t* to = samples.data();
  for (std::uint64_t x = 0; x < width; ++x) {
    *to++ = std::uint8_t(TIFFGetR(pixels[x]));
    *to++ = std::uint8_t(TIFFGetG(pixels[x]));
    *to++ = std::uint8_t(TIFFGetB(pixels[x]));
    if (alpha) *to++ = std::uint8_t(TIFFGetA(pixels[x]));
  }
}

[[noreturn]] void refuse_kind(const PictureRows& rows, const std::string& why) {
  fail(ErrorKind::bad_data, rows.name(), ": a TIFF that libtiff makes no RGB of (", printable(why),
       "); convert it: convert 'IN[0]' OUT.png");
}

void decode_rows(TIFF* tiff, Handle& handle, PictureRows& rows, int orientation) {
  const auto width = field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0),
             height = field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  rows.check_size(width, height);
  Band band = band_of(tiff, width, height, handle.source.size());
  band.bytes += handle.storage.size();
  const std::optional<Samples> alpha = alpha_of(tiff);
  char why[1024] = "";
  if (!TIFFRGBAImageOK(tiff, why)) refuse_kind(rows, why);
  rows.begin(int(height), int(width), alpha.value_or(Samples::rgb), orientation, band.bytes);
  Converter converter;
  converter.begun = TIFFRGBAImageBegin(&converter.image, tiff, 1, why) != 0;
  if (!converter.begun) refuse_kind(rows, why);
  converter.image.orientation = converter.image.req_orientation = ORIENTATION_TOPLEFT;  // rows as stored
  std::vector<std::uint32_t> pixels(band.rows * width);
  std::vector<std::uint8_t> samples(std::size_t(width) * 4);
  for (std::uint64_t y = 0; y < height; y += band.rows) {
    const std::uint64_t some = std::min(band.rows, height - y);
    converter.image.row_offset = int(y);
    if (!TIFFRGBAImageGet(&converter.image, pixels.data(), width, std::uint32_t(some)))
      fail(ErrorKind::bad_data, rows.name(), ": damaged TIFF (", printable(handle.text), ")");
    for (std::uint64_t row = 0; row < some; ++row) {
      unpack(&pixels[row * width], width, alpha.has_value(), samples);
      rows.take(samples.data());
    }
  }
}

}  // namespace

Exif stream_tiff(const ByteSource& source, PictureRows& rows) {
  Handle handle{source};
  const Tiff tiff = open(handle);
  if (!tiff) fail(ErrorKind::bad_data, rows.name(), ": damaged TIFF (", printable(handle.text), ")");
  if (begins_with_thumbnail(tiff.get())) {
    fail(ErrorKind::bad_data, rows.name(),
         ": a camera raw file, which this program does not read; convert it: ", "darktable-cli IN OUT.jpg");
  }
  Exif exif = parse_exif(source, 0, source.size());
  const int orientation = field<std::uint16_t>(tiff.get(), TIFFTAG_ORIENTATION, 1);
  exif.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
  decode_rows(tiff.get(), handle, rows, exif.orientation);
  return exif;
}

}  // namespace md
#endif
