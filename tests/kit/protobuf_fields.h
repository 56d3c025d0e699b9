// Reads a protobuf message by the definition of its format.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace md::test {

template <class T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

inline std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes);
    value |= std::uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/// The fields of a message by number: what they hold, as bytes or as the varint's digits.
using Fields = std::multimap<int, std::string>;
inline Fields fields(std::string_view message) {
  Fields found;
  while (!message.empty()) {
    const std::uint64_t key = take_varint(message);
    if ((key & 7) == 0) {
      found.emplace(int(key >> 3), std::to_string(take_varint(message)));
      continue;
    }
    const std::size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : take_varint(message);
    found.emplace(int(key >> 3), message.substr(0, size));
    message.remove_prefix(size);
  }
  return found;
}

}  // namespace md::test
