// Each line of the asset is a glyph (glyphs/make_glyphs.cpp).
#include "tools/figure/glyphs.h"

#include <map>
#include <sstream>

#include "tools/figure/drawing.h"
#include "tools/report/assets.h"

namespace md {
namespace {

constexpr int kShades = 15;

std::map<char32_t, Glyph> read_glyphs() {
  std::map<char32_t, Glyph> glyphs;
  std::istringstream lines{std::string(asset("glyphs.txt"))};
  Glyph glyph;
  std::string shades;
  for (unsigned code = 0;
       lines >> code >> glyph.advance >> glyph.left >> glyph.top >> glyph.width >> glyph.height >> shades;) {
    glyph.shades.clear();
    for (const char c : shades) {
      if (c != '-') glyph.shades.push_back(float(c <= '9' ? c - '0' : c - 'a' + 10) / kShades);
    }
    glyphs[code] = glyph;
  }
  return glyphs;
}

std::size_t bytes_of(unsigned char first) {
  return first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
}

}  // namespace

const Glyph& glyph_of(char32_t code) {
  static const std::map<char32_t, Glyph> glyphs = read_glyphs();
  const auto found = glyphs.find(code);
  return found == glyphs.end() ? glyphs.at(U'?') : found->second;
}

std::vector<char32_t> characters_of(const std::string& utf8) {
  std::vector<char32_t> characters;
  for (std::size_t i = 0; i < utf8.size();) {
    const std::size_t bytes = bytes_of(static_cast<unsigned char>(utf8[i]));
    characters.push_back(bytes == 1 ? char32_t(utf8[i]) : U'?');
    for (++i; i < utf8.size() && bytes > 1 && (static_cast<unsigned char>(utf8[i]) & 0xC0U) == 0x80; ++i) continue;
  }
  return characters;
}

double text_width(const std::string& utf8) {
  int width = 0;
  for (const char32_t c : characters_of(utf8)) width += glyph_of(c).advance;
  return double(width) / kFigureScale;
}

std::string fitted(const std::string& utf8, double width) {
  if (text_width(utf8) <= width) return utf8;
  std::string begin = utf8;
  while (!begin.empty() && text_width(begin + "...") > width) {
    while (begin.size() > 1 && (static_cast<unsigned char>(begin.back()) & 0xC0U) == 0x80) begin.pop_back();
    begin.pop_back();
  }
  return begin + "...";
}

}  // namespace md
