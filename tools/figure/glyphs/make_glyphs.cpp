// make_glyphs FONT.ttf > glyphs.txt: the characters that PNGs of figures are written with, as pictures. Only needed to
// make glyphs.txt anew; glyphs.txt is of DejaVu Sans 2.37.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

#define STB_TRUETYPE_IMPLEMENTATION
#include <stb_truetype.h>

namespace {

constexpr float kPixelsPerEm = 26;  // figures are laid out for 13, and drawn at twice that
constexpr int kShades = 15;

/// "CODE ADVANCE LEFT TOP WIDTH HEIGHT SHADES": LEFT and TOP from the pen to the picture, TOP above 0 is below the
/// line; a hexadecimal digit a pixel, "-" where there is none.
void print_glyph(const stbtt_fontinfo& font, float scale, int code) {
  int advance = 0, bearing = 0, width = 0, height = 0, left = 0, top = 0;
  stbtt_GetCodepointHMetrics(&font, code, &advance, &bearing);
  unsigned char* const shades = stbtt_GetCodepointBitmap(&font, scale, scale, code, &width, &height, &left, &top);
  std::printf("%d %d %d %d %d %d ", code, int(float(advance) * scale + 0.5F), left, top, width, height);
  for (int i = 0; i < width * height; ++i) std::printf("%x", (shades[i] * kShades + 127) / 255);
  std::puts(width * height == 0 ? "-" : "");
  stbtt_FreeBitmap(shades, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream file(argc == 2 ? argv[1] : "", std::ios::binary);
  const std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(file), {}};
  stbtt_fontinfo font;
  if (bytes.empty() || !stbtt_InitFont(&font, bytes.data(), 0)) {
    std::fputs("make_glyphs FONT.ttf\n", stderr);
    return 2;
  }
  for (int code = ' '; code <= '~'; ++code)
    print_glyph(font, stbtt_ScaleForMappingEmToPixels(&font, kPixelsPerEm), code);
}
