// The size of a PNG file, from its first bytes.
#pragma once
#include <optional>
#include <string>

namespace md {

/// Height and width, pixels.
struct PngSize {
  int height = 0, width = 0;
};

/// What the header of a PNG file says (its IHDR chunk: PNG specification, 11.2.2); nothing where the file cannot be
/// read, is no PNG, or claims more than an image may have (max_image_side).
std::optional<PngSize> png_size(const std::string& path);

}  // namespace md
