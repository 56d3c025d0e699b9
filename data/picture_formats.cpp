// The kinds of picture files, by name and by first bytes.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "data/codecs.h"
#include "data/heif_codec.h"
#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

// Why this build does not read a format; empty: it does.
#ifdef MD_WITH_WEBP
const std::string no_webp;
#else
const std::string no_webp = "this program was built without libwebp";
#endif
#ifdef MD_WITH_TIFF
const std::string no_tiff;
#else
const std::string no_tiff = "this program was built without libtiff";
#endif
std::string no_heif([[maybe_unused]] bool av1) {
#ifdef MD_WITH_HEIF
  if (heif_can_decode(av1)) return "";
  return cat("libheif has no decoder for it (Debian: ", av1 ? "libheif-plugin-dav1d" : "libheif-plugin-libde265", ")");
#else
  return "this program was built without libheif";
#endif
}

/// The format that the file type box of an ISO media file names: a brand of four letters; `first` has those, too, that
/// it is compatible with.
std::string_view name_of_brand(std::string_view first) {
  const std::string_view brand = first.substr(8, 4);
  if (brand == "mif1" || brand == "msf1") {
    const std::size_t avif = first.find("avi", 12), heic = first.find("hei", 12);
    return avif < heic ? "AVIF" : "HEIC";
  }
  for (const std::string_view heic : {"heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"}) {
    if (brand == heic) return "HEIC";
  }
  if (brand == "avif" || brand == "avis") return "AVIF";
  if (brand == "crx ") return "camera raw";
  return "video";
}

std::string_view name_of_bytes(std::string_view first) {
  using namespace std::string_view_literals;
  const auto at = [&](std::size_t offset, std::string_view magic) {
    return first.size() >= offset && first.substr(offset).starts_with(magic);
  };
  if (at(4, "ftyp")) return first.size() < 12 ? "" : name_of_brand(first);
  if (at(0, "RIFF") && at(8, "WEBP")) return "WebP";
  if (at(0, "II*\0"sv) && at(8, "CR")) return "camera raw";
  static constexpr std::pair<std::string_view, std::string_view> magics[] = {
      {"\xFF\xD8\xFF"sv, "JPEG"},
      {"\x89PNG\r\n\x1A\n"sv, "PNG"},
      {"II*\0"sv, "TIFF"},
      {"MM\0*"sv, "TIFF"},
      {"II+\0"sv, "TIFF"},
      {"MM\0+"sv, "TIFF"},
      {"BM"sv, "BMP"},
      {"GIF8"sv, "GIF"},
      {"8BPS"sv, "Photoshop"},
      {"\xFF\x0A"sv, "JPEG XL"},
      {"\0\0\0\x0CJXL "sv, "JPEG XL"},
      {"\xFF\x4F\xFF\x51"sv, "JPEG 2000"},
      {"\0\0\0\x0CjP  "sv, "JPEG 2000"},
      {"\x76\x2F\x31\x01"sv, "OpenEXR"},
      {"FUJIFILMCCD-RAW"sv, "camera raw"},
      {"IIRO"sv, "camera raw"},
      {"IIU\0"sv, "camera raw"},
      {"FOVb"sv, "camera raw"},
      {"%PDF"sv, "PDF"},
  };
  for (const auto& [magic, name] : magics) {
    if (at(0, magic)) return name;
  }
  const bool netpbm = first.size() > 2 && first[0] == 'P' && first[1] >= '1' && first[1] <= '7' && first[2] <= ' ';
  return netpbm ? "Netpbm" : "";
}

}  // namespace

const std::vector<PictureFormat>& picture_formats() {
  static const std::string no_heic = no_heif(false), no_avif = no_heif(true);
  static const std::vector<PictureFormat> formats = {
      {"JPEG", true, {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}, "djpeg -outfile OUT.ppm IN"},
      {"PNG", true, {".png"}, "convert IN OUT.jpg"},
      {"WebP", no_webp.empty(), {".webp"}, "dwebp IN -o OUT.png", no_webp},
      {"TIFF", no_tiff.empty(), {".tif", ".tiff"}, "convert 'IN[0]' OUT.png", no_tiff},
      {"HEIC", no_heic.empty(), {".heic", ".heif", ".hif"}, "heif-convert IN OUT.png", no_heic},
      {"AVIF", no_avif.empty(), {".avif"}, "heif-convert IN OUT.png", no_avif},
      {"BMP", true, {".bmp", ".dib"}, "convert IN OUT.png"},
      {"GIF", false, {".gif"}, "convert 'IN[0]' OUT.png"},
      {"Photoshop", false, {".psd", ".psb"}, "convert 'IN[0]' OUT.png"},
      {"JPEG XL", false, {".jxl"}, "djxl IN OUT.png"},
      {"JPEG 2000", false, {".jp2", ".j2k", ".jpf", ".jpx"}, "opj_decompress -i IN -o OUT.png"},
      {"OpenEXR", false, {".exr"}, "convert IN OUT.png"},
      {"Netpbm", false, {".ppm", ".pgm", ".pbm", ".pnm", ".pam"}, "convert IN OUT.png"},
      {"PDF", false, {".pdf"}, "pdftoppm -png -r 150 IN OUT"},
      {"camera raw",
       false,
       {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".rw2", ".orf",
        ".pef", ".srw", ".raw", ".x3f", ".3fr", ".iiq", ".rwl", ".kdc", ".dcr", ".erf", ".mrw"},
       "darktable-cli IN OUT.jpg"},
      {"video", false, {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm"}, "ffmpeg -i IN OUT%06d.png"},
  };
  return formats;
}

const PictureFormat* picture_format_of_name(const std::string& path) {
  const std::string suffix = lower(std::filesystem::path(path).extension().string());
  for (const PictureFormat& format : picture_formats()) {
    if (std::ranges::find(format.suffixes, suffix) != format.suffixes.end()) return &format;
  }
  return nullptr;
}

const PictureFormat* picture_format_of_bytes(std::span<const unsigned char> first) {
  const std::string_view name = name_of_bytes({reinterpret_cast<const char*>(first.data()), first.size()});
  for (const PictureFormat& format : picture_formats()) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

const PictureFormat* format_of(const ByteSource& source) {
  std::array<unsigned char, 64> first{};
  return picture_format_of_bytes(std::span(first).first(source.read(0, first)));
}

bool is_picture_name(const std::string& path) {
  const PictureFormat* format = picture_format_of_name(path);
  return format && format->is_read;
}

}  // namespace md
