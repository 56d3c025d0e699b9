// Whatever the bytes, Yuv4MpegReader gives frames of the size that it says, as many as whole ones are in them, or
// refuses. Seeds: every way of storing colours, streams that end early, and headers that are nearly right.
#include <sstream>

#include "tests/fuzz/fuzz.h"
#include "tools/eval/yuv4mpeg.h"

namespace md::test {

std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds = {
      "",
      "YUV4MPEG2 W2 H2 F30000:1001 Ip A1:1 Cmono XCOLORRANGE=FULL\nFRAME\n1234FRAME Ip XNOTE=x\n5678",
      "YUV4MPEG2 W2 H2\nFRAME\n123456FRAME\n12345",
      "YUV4MPEG2 W99999 H335 C444\nFRAME\n12",
      "YUV4MPEG2 W0 H-1 C420p10 It\nFRAM\n",
      "YUV4MPEG2 W1 H1 C444 \nFRAME\n123\nFRAME\n123",
      yuv4mpeg_444_header({.height = 2, .width = 3}) + yuv4mpeg_444_frame({2, 3, std::vector<std::uint8_t>(18, 77)}),
  };
  seeds.push_back("YUV4MPEG2 W1 H1 C420\x12" + std::string(990, '\xFF') + "\n");  // found: a message as long as a line
  for (const char* colours : {"420jpeg", "420mpeg2", "420paldv", "420", "411", "422", "444"})
    seeds.push_back(std::string("YUV4MPEG2 W3 H3 F25:1 C") + colours + "\nFRAME\n" + std::string(27, 'x'));
  return seeds;
}

void fuzz_one(const std::string& bytes) {
  std::istringstream in(bytes);
  Yuv4MpegReader reader(in, "file");
  const Yuv4MpegHeader& header = reader.header();
  require(header.height > 0 && header.width > 0, "size");
  RgbImage frame;
  std::size_t pixels = 0;
  while (reader.next(frame)) {
    require(frame.height == header.height && frame.width == header.width, "another size");
    require(frame.pixels.size() == std::size_t(frame.height) * frame.width * 3, "pixels");
    pixels += frame.pixels.size() / 3;
  }
  require(pixels <= bytes.size(), "more pixels than bytes");
}

}  // namespace md::test
