// Sixteen bytes that every PNG begins with, then its width and height.
#include "data/png_size.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <string_view>

#include "data/image_io.h"

namespace md {

std::optional<PngSize> png_size(const std::string& path) {
  constexpr std::string_view kBegin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);  // then width and height, big-endian
  std::array<char, kBegin.size() + 8> head{};
  if (!std::ifstream(path, std::ios::binary).read(head.data(), head.size())) return std::nullopt;
  if (std::string_view(head.data(), kBegin.size()) != kBegin) return std::nullopt;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::uint8_t(head[at + i]);
    return value;
  };
  const std::uint32_t width = number(kBegin.size()), height = number(kBegin.size() + 4);
  if (width > max_image_side || height > max_image_side) return std::nullopt;
  return PngSize{int(height), int(width)};
}

}  // namespace md
