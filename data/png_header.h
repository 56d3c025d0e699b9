// What a PNG file says of itself in its first bytes.
#pragma once
#include <optional>
#include <string>

namespace md {

/// Of the IHDR chunk (PNG specification, 11.2.2): pixels, bits a sample, and the colour type, 0 being grey.
struct PngHeader {
  int height = 0, width = 0, bit_depth = 0, colour_type = 0;
};

/// Nothing where the path is no file that can be read, or no PNG.
std::optional<PngHeader> png_header(const std::string& path);

}  // namespace md
