// Numbers as they stand in memory, which is little-endian, as the files are.
#pragma once
#include <array>
#include <cstring>
#include <string>

namespace md {

template <class T>
void append_raw(std::string& bytes, T value) {
  std::array<char, sizeof value> raw{};
  std::memcpy(raw.data(), &value, sizeof value);
  bytes.append(raw.data(), raw.size());
}

}  // namespace md
