// Sixteen bytes that every PNG begins with, then its header.
#include "data/png_header.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>

#include "data/byte_source.h"

namespace md {

std::optional<PngHeader> png_header(const std::string& path) {
  constexpr std::string_view kBegin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  std::array<char, kBegin.size() + 10> head{};  // width and height in 4 bytes each, bit depth, colour type
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;  // opening a pipe would wait
  if (!std::ifstream(path, std::ios::binary).read(head.data(), head.size())) return std::nullopt;
  if (std::string_view(head.data(), kBegin.size()) != kBegin) return std::nullopt;
  const auto* const values = reinterpret_cast<const unsigned char*>(head.data()) + kBegin.size();
  const std::uint32_t width = big32(values), height = big32(values + 4);
  if (std::max(width, height) > std::uint32_t(std::numeric_limits<int>::max())) return std::nullopt;
  return PngHeader{int(height), int(width), values[8], values[9]};
}

}  // namespace md
