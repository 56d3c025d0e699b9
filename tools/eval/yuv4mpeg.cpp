// Text lines with a limit, planes in parts, and the two matrices of video.
#include "tools/eval/yuv4mpeg.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "engine/check.h"

namespace md {
namespace {

constexpr std::size_t kLongestLine = 1024, kPart = 1 << 20;
constexpr int kMostPixels = 1 << 25;  // 8K video and a little more

/// Names of colours that are read, with how many pixels share a chroma sample along x and y; 0: there is none.
struct Sampling {
  const char* name;
  int down_x, down_y;
};
constexpr std::array kSamplings = {Sampling{"420jpeg", 2, 2}, Sampling{"420mpeg2", 2, 2}, Sampling{"420paldv", 2, 2},
                                   Sampling{"420", 2, 2},     Sampling{"411", 4, 1},      Sampling{"422", 2, 1},
                                   Sampling{"444", 1, 1},     Sampling{"mono", 0, 0}};

/// The beginning of what stands where something else should.
std::string quoted(std::string text) {
  text = text.substr(0, 20);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c > 0x7E; }, '?');
  return "'" + text + "'";
}

void set_field(Yuv4MpegHeader& header, char key, const std::string& value) {
  if (key == 'W' || key == 'H') {
    int& side = key == 'W' ? header.width : header.height;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), side);
    if (read.ec != std::errc{} || read.ptr != value.data() + value.size()) side = 0;
  } else if (key == 'F') {
    header.rate = value;
  } else if (key == 'A') {
    header.aspect = value;
  } else if (key == 'C') {
    header.colours = value;
  } else if (key == 'I') {
    header.interlaced = value == "t" || value == "b" || value == "m";
  } else if (key == 'X' && value == "COLORRANGE=FULL") {
    header.full_range = true;
  }
}

/// Of a video's numbers: luma weights of red and blue, and what white and full saturation are worth.
struct YuvColours {
  double red, blue, luma_least, luma_span, chroma_span;
};

YuvColours colours_of(int height, int width, bool full_range) {
  const bool hd = width > 1024 || height > 576;
  const double red = hd ? 0.2126 : 0.299, blue = hd ? 0.0722 : 0.114;
  return full_range ? YuvColours{red, blue, 0, 255, 255} : YuvColours{red, blue, 16, 219, 224};
}

unsigned char byte_of(double value) { return static_cast<unsigned char>(std::clamp(value + 0.5, 0.0, 255.0)); }

int shared(int size, int down) { return (size + down - 1) / down; }

}  // namespace

Yuv4MpegReader::Yuv4MpegReader(std::istream& in, std::string name) : in_(in), name_(std::move(name)) {
  if (in_.peek() == std::istream::traits_type::eof()) fail(ErrorKind::bad_data, name_, ": nothing in it");
  for (const char magic : std::string_view("YUV4MPEG2")) {
    if (in_.get() != magic)
      fail(ErrorKind::bad_data, name_, ": no YUV4MPEG2 stream (ffmpeg -i VIDEO -f yuv4mpegpipe - writes one)");
  }
  const std::string line = read_line("the first line") + " ";
  for (std::size_t begin = 1, end; (end = line.find(' ', begin)) != line.npos; begin = end + 1) {
    if (begin < end) set_field(header_, line[begin], line.substr(begin + 1, end - begin - 1));
  }
  if (header_.width < 1 || header_.height < 1 || header_.height > kMostPixels / header_.width)
    fail(ErrorKind::bad_data, name_, ": frames of ", header_.width, "x", header_.height, ": wanted are 1 to ",
         kMostPixels, " pixels");
  const auto known =
      std::ranges::find_if(kSamplings, [&](const Sampling& each) { return each.name == header_.colours; });
  if (known == kSamplings.end())
    fail(ErrorKind::bad_data, name_, ": colours ", quoted(header_.colours),
         " are not read (ffmpeg -pix_fmt yuv420p writes 8-bit ones)");
  header_.chroma_down_x = known->down_x;
  header_.chroma_down_y = known->down_y;
}

std::string Yuv4MpegReader::read_line(const char* what) {
  std::string line;
  for (int c; (c = in_.get()) != '\n'; line += char(c)) {
    if (c == std::istream::traits_type::eof()) fail(ErrorKind::bad_data, name_, ": ends inside ", what);
    if (line.size() == kLongestLine) fail(ErrorKind::bad_data, name_, ": no end of ", what);
  }
  return line;
}

void Yuv4MpegReader::read_planes() {
  const Yuv4MpegHeader& h = header_;
  std::size_t size = std::size_t(h.width) * h.height;
  if (h.chroma_down_x > 0)
    size += 2 * std::size_t(shared(h.width, h.chroma_down_x)) * std::size_t(shared(h.height, h.chroma_down_y));
  std::size_t got = 0;
  while (got < size) {
    const std::size_t part = std::min(kPart, size - got);
    if (planes_.size() < got + part) planes_.resize(got + part);
    in_.read(reinterpret_cast<char*>(planes_.data() + got), std::streamsize(part));
    got += std::size_t(in_.gcount());
    if (std::size_t(in_.gcount()) < part)
      fail(ErrorKind::bad_data, name_, ": ends inside frame ", frame_, ", after ", got, " of its ", size, " bytes");
  }
}

bool Yuv4MpegReader::next(RgbImage& frame) {
  if (in_.peek() == std::istream::traits_type::eof()) return false;
  ++frame_;
  const std::string line = read_line("a frame's line");
  if (line != "FRAME" && !line.starts_with("FRAME "))
    fail(ErrorKind::bad_data, name_, ": ", quoted(line), " where frame ", frame_, " should begin");
  read_planes();
  frame = to_rgb();
  return true;
}

RgbImage Yuv4MpegReader::to_rgb() const {
  const Yuv4MpegHeader& h = header_;
  const YuvColours c = colours_of(h.height, h.width, h.full_range);
  const bool grey = h.chroma_down_x == 0;
  const int chroma_width = grey ? 0 : shared(h.width, h.chroma_down_x);
  const unsigned char* const luma = planes_.data();
  const unsigned char* const cb = luma + std::size_t(h.width) * h.height;
  const unsigned char* const cr = cb + (grey ? 0 : std::size_t(chroma_width) * shared(h.height, h.chroma_down_y));
  const double to_red = 2 * (1 - c.red) * 255 / c.chroma_span, to_blue = 2 * (1 - c.blue) * 255 / c.chroma_span;
  RgbImage image{h.height, h.width, std::vector<std::uint8_t>(std::size_t(h.width) * h.height * 3)};
  std::uint8_t* to = image.pixels.data();
  for (int y = 0; y < h.height; ++y) {
    for (int x = 0; x < h.width; ++x, to += 3) {
      const std::size_t at =
          grey ? 0 : std::size_t(y / h.chroma_down_y) * chroma_width + std::size_t(x / h.chroma_down_x);
      const double v = (luma[std::size_t(y) * h.width + x] - c.luma_least) * 255 / c.luma_span;
      const double red = grey ? v : v + (cr[at] - 128) * to_red, blue = grey ? v : v + (cb[at] - 128) * to_blue;
      to[0] = byte_of(red);
      to[1] = byte_of((v - c.red * red - c.blue * blue) / (1 - c.red - c.blue));
      to[2] = byte_of(blue);
    }
  }
  return image;
}

std::string yuv4mpeg_444_header(const Yuv4MpegHeader& like) {
  return cat("YUV4MPEG2 W", like.width, " H", like.height, " F", like.rate, " Ip A", like.aspect,
             " C444 XCOLORRANGE=LIMITED\n");
}

std::string yuv4mpeg_444_frame(const RgbImage& image) {
  const YuvColours c = colours_of(image.height, image.width, false);
  const std::size_t pixels = std::size_t(image.height) * image.width;
  std::string bytes = "FRAME\n";
  const std::size_t luma = bytes.size();
  bytes.resize(luma + 3 * pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const double red = image.pixels[3 * i], green = image.pixels[3 * i + 1], blue = image.pixels[3 * i + 2];
    const double v = c.red * red + (1 - c.red - c.blue) * green + c.blue * blue;
    bytes[luma + i] = char(byte_of(c.luma_least + v * c.luma_span / 255));
    bytes[luma + pixels + i] = char(byte_of(128 + (blue - v) / (2 * (1 - c.blue)) * c.chroma_span / 255));
    bytes[luma + 2 * pixels + i] = char(byte_of(128 + (red - v) / (2 * (1 - c.red)) * c.chroma_span / 255));
  }
  return bytes;
}

}  // namespace md
