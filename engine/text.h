// Values and lists as text, for messages and files.
#pragma once
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

namespace md {

/// The shortest text that reads back as the same number, in any locale.
template <class Float>
std::string shortest(Float value) {
  std::array<char, 64> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// "1 pixel", "7 pixels".
inline std::string counted(std::int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// ASCII letters in lower case.
inline std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

/// The text and a blank, or as many as make it `width` wide.
inline std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

/// "a, b, c".
inline std::string listed(const std::vector<std::string>& words, const std::string& separator = ", ") {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : separator) + words[i];
  return text;
}

/// "a, b or c".
inline std::string either(std::vector<std::string> words) {
  if (words.size() < 2) return listed(words);
  const std::string last = words.back();
  words.pop_back();
  return listed(words) + " or " + last;
}

}  // namespace md
