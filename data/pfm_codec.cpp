// PFM: three lines of text, then floats. Format: pfm(5) of Netpbm.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "data/depth_map_codecs.h"
#include "engine/check.h"

namespace md {
namespace {

constexpr std::size_t kLongestHeader = 128;
constexpr std::string_view kBlanks = " \t\r\n";

struct PfmHeader {
  int width = 0, height = 0;
  bool little_endian = false;
  std::size_t bytes = 0;  // up to the end of the last number
};

/// The next word of `text` from `at` on, which moves behind it; empty at the end.
std::string_view next_word(std::string_view text, std::size_t& at) {
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks, at), text.size());
  at = std::min(text.find_first_of(kBlanks, begin), text.size());
  return text.substr(begin, at - begin);
}

template <class Number>
Number number_in(std::string_view word, const std::string& name) {
  Number value{};
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || error != std::errc{} || end != word.data() + word.size())
    fail(ErrorKind::bad_data, name, ": the PFM header is damaged");
  return value;
}

PfmHeader header_of(std::string_view text, const std::string& name) {
  if (text.starts_with("PF")) fail(ErrorKind::bad_data, name, ": a PFM in colour; wanted is a grey one (Pf)");
  PfmHeader header{.bytes = 2};
  const auto width = number_in<unsigned>(next_word(text, header.bytes), name);
  const auto height = number_in<unsigned>(next_word(text, header.bytes), name);
  const auto scale = number_in<double>(next_word(text, header.bytes), name);
  if (scale == 0 || !std::isfinite(scale)) fail(ErrorKind::bad_data, name, ": the scale of the PFM is ", scale);
  check_map_size(width, height, name);
  header.width = int(width);
  header.height = int(height);
  header.little_endian = scale < 0;
  return header;
}

void swap_bytes(std::vector<float>& values) {
  for (float& value : values) {
    auto bytes = std::bit_cast<std::array<unsigned char, 4>>(value);
    std::ranges::reverse(bytes);
    value = std::bit_cast<float>(bytes);
  }
}

}  // namespace

FloatMap decode_pfm(const ByteSource& source, const std::string& name) {
  std::array<unsigned char, kLongestHeader> first{};
  const std::string_view text(reinterpret_cast<const char*>(first.data()), source.read(0, first));
  const PfmHeader header = header_of(text, name);
  // One byte ends the header; two, where lines end as on Windows.
  const std::size_t row = std::size_t(header.width), data = row * std::size_t(header.height) * sizeof(float);
  const std::size_t end = text.substr(header.bytes, 2) == "\r\n" && source.size() == header.bytes + 2 + data ? 2 : 1;
  if (source.size() != header.bytes + end + data)
    fail(ErrorKind::bad_data, name, ": not the ", data, " bytes of data of a PFM of ", header.width, "x",
         header.height);
  FloatMap map{header.height, header.width, std::vector<float>(row * std::size_t(header.height))};
  for (int y = 0; y < header.height; ++y) {
    float* const to = map.pixels.data() + std::size_t(header.height - 1 - y) * row;
    const std::span<unsigned char> bytes(reinterpret_cast<unsigned char*>(to), row * sizeof(float));
    if (!source.read_all(header.bytes + end + std::size_t(y) * bytes.size(), bytes))
      fail(ErrorKind::bad_data, name, ": cannot be read to its end");
  }
  if (header.little_endian != (std::endian::native == std::endian::little)) swap_bytes(map.pixels);
  return map;
}

}  // namespace md
