// printf's formats as a string.
#pragma once
#include <cstdio>
#include <string>

namespace md {

/// printed("%.3f m", 1.5) is "1.500 m"; formats and values as printf has them.
template <class... Values>
std::string printed(const char* format, Values... values) {
  std::string text(std::size_t(std::snprintf(nullptr, 0, format, values...)), '\0');
  std::snprintf(text.data(), text.size() + 1, format, values...);
  return text;
}

}  // namespace md
