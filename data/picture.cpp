// Which codec a file needs is told by its first bytes.
#include "data/picture.h"

#include "data/codecs.h"
#include "engine/check.h"

namespace md {
namespace {

[[noreturn]] void refuse(const std::string& name, const PictureFormat& format) {
  fail(ErrorKind::bad_data, name, ": ", format.name,
       format.missing_library.empty() ? " is a format that this program does not read"
                                      : cat(" cannot be read here: ", format.missing_library),
       "; convert it: ", format.conversion);
}

const PictureFormat& known_format_of(const ByteSource& source, const std::string& name) {
  if (source.size() == 0) fail(ErrorKind::bad_data, name, ": the file is empty");
  const PictureFormat* const format = format_of(source);
  if (!format) fail(ErrorKind::bad_data, name, ": not a picture of a format that this program knows");
  const PictureFormat* named = picture_format_of_name(name);
  // Cameras' raw files are mostly TIFF, whose first picture is a thumbnail.
  if (format->name == "TIFF" && named && named->name == "camera raw") return *named;
  return *format;
}

Exif decode(const PictureFormat& format, const ByteSource& source, PictureRows& rows) {
  if (format.name == "JPEG") return stream_jpeg(source, rows, true);
  if (format.name == "PNG") return stream_png(source, rows, true);
  if (format.name == "BMP") return stream_bmp(source, rows);
#ifdef MD_WITH_TIFF
  if (format.name == "TIFF") return stream_tiff(source, rows);
#endif
#ifdef MD_WITH_WEBP
  if (format.name == "WebP") return stream_webp(source, rows);
#endif
#ifdef MD_WITH_HEIF
  if (format.name == "HEIC" || format.name == "AVIF") return stream_heif(source, rows);
#endif
  refuse(rows.name(), format);
}

}  // namespace

Bytes whole_file(const ByteSource& source, std::vector<unsigned char>& storage, const std::string& name) {
  if (source.size() > max_picture_bytes / 2)
    fail(ErrorKind::bad_data, name, ": a file of ", source.size() >> 20, " MiB");
  return source.whole(storage);
}

Picture decode_picture(const ByteSource& source, RowsSpec spec) {
  const PictureFormat& format = known_format_of(source, spec.name);
  if (!format.is_read) refuse(spec.name, format);
  PictureRows rows(std::move(spec));
  const Exif exif = decode(format, source, rows);
  Picture picture;
  picture.image = rows.finish();
  const bool turned = exif.orientation >= 5;
  picture.height = turned ? rows.file_width() : rows.file_height();
  picture.width = turned ? rows.file_height() : rows.file_width();
  picture.orientation = exif.orientation;
  picture.focal_35mm = exif.focal_35mm;
  return picture;
}

Picture read_picture(const std::string& path, const PictureOptions& options) {
  return decode_picture(ByteSource(path), {.name = path,
                                           .alpha = options.alpha,
                                           .shorter_side = options.shorter_side,
                                           .max_side = max_picture_side,
                                           .max_pixels = max_picture_pixels});
}

}  // namespace md
