// Libraries repeat bytes of damaged files in their messages.
#include "data/codecs.h"

namespace md {

std::string printable(const std::string& text) {
  std::string clean;
  for (const unsigned char c : text.substr(0, 300)) clean += c < 0x20 || c >= 0x7F ? '?' : char(c);
  return clean;
}

}  // namespace md
