// Bytes as text, for pictures inside an HTML or SVG file (RFC 4648).
#pragma once
#include <string>
#include <string_view>

namespace md {

/// With padding, in one line.
std::string base64(std::string_view bytes);

}  // namespace md
