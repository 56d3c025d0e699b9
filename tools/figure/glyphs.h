// The characters of PNGs: pictures of DejaVu Sans at twice kFigureFont, embedded from glyphs/glyphs.txt.
#pragma once
#include <string>
#include <vector>

namespace md {

/// A character, in pixels of a PNG.
struct Glyph {
  int advance = 0;                 // to the next one
  int left = 0, top = 0;           // of its picture, from the pen; above the line `top` is negative
  int width = 0, height = 0;       // of its picture
  std::vector<float> shades = {};  // [height,width], 0 to 1
};

/// Of printable ASCII; any other character looks like '?'.
const Glyph& glyph_of(char32_t);

/// The characters of text in UTF-8; bytes that are none become '?'.
std::vector<char32_t> characters_of(const std::string& utf8);

/// In pixels of the layout.
double text_width(const std::string& utf8);

/// The text, or as much of its beginning as fits into `width` with "..." behind it.
std::string fitted(const std::string& utf8, double width);

}  // namespace md
