// First bytes, and the codec that they ask for.
#include "data/depth_map.h"

#include <array>
#include <string_view>

#include "data/codecs.h"
#include "data/depth_map_codecs.h"
#include "engine/check.h"

namespace md {
namespace {

FloatMap decode_png_map(const ByteSource& source, const std::string& name) {
  check_image_bytes(source, name);
  const DepthImage image = decode_png_depth(source, name);
  return {image.height, image.width, {image.pixels.begin(), image.pixels.end()}, true};
}

}  // namespace

void check_map_size(std::uint64_t width, std::uint64_t height, const std::string& name) {
  if (width < 1 || height < 1) fail(ErrorKind::bad_data, name, ": a map of ", width, "x", height, " pixels");
  check_picture_size(width, height, {.name = name});
}

FloatMap decode_depth_map(const ByteSource& source, const std::string& name) {
  std::array<unsigned char, 8> first{};
  const std::string_view begin(reinterpret_cast<const char*>(first.data()), source.read(0, first));
  if (begin.starts_with("\x93NUMPY")) {
    PartOfSource all(source, 0, source.size());
    return decode_npy(all, name);
  }
  if (begin.starts_with("PK")) return decode_npz(source, name);
  if (begin.starts_with("Pf") || begin.starts_with("PF")) return decode_pfm(source, name);
  const PictureFormat* const picture = format_of(source);
  if (picture && picture->name == "OpenEXR") return decode_exr(source, name);
  if (picture && picture->name == "PNG") return decode_png_map(source, name);
  fail(ErrorKind::bad_data, name, ": not a .npy file, nor .npz, .exr, .pfm or 16-bit PNG");
}

FloatMap read_depth_map(const std::string& path) { return decode_depth_map(ByteSource(path), path); }

const std::vector<std::string>& depth_map_endings() {
  static const std::vector<std::string> endings = {".npy", ".npz", ".exr", ".pfm", ".png"};
  return endings;
}

}  // namespace md
