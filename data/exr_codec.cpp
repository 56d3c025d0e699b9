// OpenEXR by its library.
#include "data/codecs.h"
#include "data/depth_map_codecs.h"
#include "data/exr_header.h"
#include "engine/check.h"
#ifdef MD_WITH_OPENEXR
#include <OpenEXR/ImfChannelList.h>
#include <OpenEXR/ImfFrameBuffer.h>
#include <OpenEXR/ImfHeader.h>
#include <OpenEXR/ImfIO.h>
#include <OpenEXR/ImfInputPart.h>
#include <OpenEXR/ImfMultiPartInputFile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "engine/text.h"
#endif

namespace md {

#ifdef MD_WITH_OPENEXR
namespace {

constexpr std::uint64_t kMostBlockBytes = 1U << 28;  // what the library holds of all channels at once
constexpr std::uint64_t kMostBlockRows = 256;        // of the compression that takes most (DWAB)

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  fail(ErrorKind::bad_data, name, ": ", why);
}

class ExrSource : public Imf::IStream {
 public:
  ExrSource(const ByteSource& source, const std::string& name) : Imf::IStream(name.c_str()), source_(source) {}

  bool read(char to[], int count) override {
    if (count < 0 || !source_.read_all(at_, {reinterpret_cast<unsigned char*>(to), std::size_t(count)}))
      throw std::runtime_error("the file ends early");
    at_ += std::uint64_t(count);
    return at_ < source_.size();
  }
  std::uint64_t tellg() override { return at_; }
  void seekg(std::uint64_t at) override { at_ = at; }

 private:
  const ByteSource& source_;
  std::uint64_t at_ = 0;
};

std::uint64_t width_of(const Imath::Box2i& box) { return std::uint64_t(std::int64_t{box.max.x} - box.min.x + 1); }
std::uint64_t height_of(const Imath::Box2i& box) { return std::uint64_t(std::int64_t{box.max.y} - box.min.y + 1); }

void check_sizes(const Imf::Header& header, const std::string& name) {
  const Imath::Box2i& window = header.dataWindow();
  check_map_size(width_of(window), height_of(window), name);
  check_map_size(width_of(header.displayWindow()), height_of(header.displayWindow()), name);
  std::uint64_t pixels = width_of(window) * std::min(height_of(window), kMostBlockRows), channels = 0;
  if (header.hasTileDescription()) {
    const Imf::TileDescription& tile = header.tileDescription();
    pixels = std::uint64_t{tile.xSize} * tile.ySize;
  }
  for (auto channel = header.channels().begin(); channel != header.channels().end(); ++channel) ++channels;
  if (pixels > kMostBlockBytes || channels * pixels * sizeof(float) > kMostBlockBytes)
    refuse(name, cat(channels, " channels in blocks of ", pixels, " pixels are too many"));
}

/// "View.Depth.Z" -> "z".
std::string last_part(const std::string& channel) { return lower(channel.substr(channel.rfind('.') + 1)); }

/// The channels of the map: one, or three that must be equal.
std::vector<std::string> channels_of(const Imf::Header& header, const std::string& name) {
  std::vector<std::string> all, of_depth;
  const Imf::ChannelList& list = header.channels();
  for (auto channel = list.begin(); channel != list.end(); ++channel) {
    const std::string part = last_part(channel.name());
    if (part == "a") continue;
    all.emplace_back(channel.name());
    if (part == "z" || part == "depth") of_depth.emplace_back(channel.name());
  }
  const auto has = [&](const char* channel) { return std::ranges::find(all, channel) != all.end(); };
  if (of_depth.size() == 1) return of_depth;
  if (all.size() == 1) return all;
  if (of_depth.empty() && has("Y") && !has("RY") && !has("BY")) return {"Y"};
  if (of_depth.empty() && all.size() == 3 && has("R") && has("G") && has("B")) return {"R", "G", "B"};
  const std::size_t count = all.size();
  if (count > 12) all.resize(12);
  refuse(name, cat("the EXR has channels ", printable(listed(all)), count > all.size() ? ", ..." : "",
                   ", wanted is one that is named Z or depth, one alone, or Y"));
}

FloatMap read_channel(Imf::InputPart& part, const std::string& channel, const std::string& name) {
  const Imath::Box2i window = part.header().dataWindow();
  const Imf::Channel& its = part.header().channels()[channel.c_str()];
  if (its.xSampling != 1 || its.ySampling != 1) refuse(name, "the EXR's channel is subsampled");
  const std::size_t width = width_of(window), height = height_of(window);
  FloatMap map{int(height), int(width), std::vector<float>(width * height), its.type == Imf::UINT};
  Imf::FrameBuffer buffer;
  buffer.insert(channel, Imf::Slice::Make(Imf::FLOAT, map.pixels.data(), window));
  part.setFrameBuffer(buffer);
  part.readPixels(window.min.y, window.max.y);
  return map;
}

/// The map of the data window within the display window.
FloatMap framed(FloatMap map, const Imath::Box2i& data, const Imath::Box2i& display, const std::string& name) {
  if (data == display) return map;
  const int left = std::max(data.min.x, display.min.x), right = std::min(data.max.x, display.max.x);
  const int top = std::max(data.min.y, display.min.y), bottom = std::min(data.max.y, display.max.y);
  if (left > right || top > bottom) refuse(name, "the EXR's data lie outside its picture");
  const std::size_t width = width_of(display), height = height_of(display);
  FloatMap whole{int(height), int(width), std::vector<float>(width * height, std::numeric_limits<float>::quiet_NaN()),
                 map.integers};
  for (int y = top; y <= bottom; ++y) {
    const auto from = map.pixels.begin() + (std::ptrdiff_t{y} - data.min.y) * map.width + (left - data.min.x);
    std::copy_n(from, right - left + 1,
                whole.pixels.begin() + (std::ptrdiff_t{y} - display.min.y) * whole.width + (left - display.min.x));
  }
  return whole;
}

FloatMap decode(const ByteSource& source, const std::string& name) {
  ExrSource stream(source, name);
  Imf::MultiPartInputFile file(stream, 0, false);
  check_sizes(file.header(0), name);
  Imf::InputPart part(file, 0);
  const std::vector<std::string> channels = channels_of(part.header(), name);
  FloatMap map = read_channel(part, channels.front(), name);
  for (std::size_t i = 1; i < channels.size(); ++i) {
    const FloatMap other = read_channel(part, channels[i], name);
    const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    if (!std::ranges::equal(map.pixels, other.pixels, same)) refuse(name, "an EXR in colour; wanted is one channel");
  }
  return framed(std::move(map), part.header().dataWindow(), part.header().displayWindow(), name);
}

}  // namespace

FloatMap decode_exr(const ByteSource& source, const std::string& name) {
  [[maybe_unused]] static const bool limited = [] {
    Imf::Header::setMaxImageSize(max_image_side, max_image_side);
    Imf::Header::setMaxTileSize(max_image_side, max_image_side);
    return true;
  }();
  check_exr_header(source, name);
  try {
    return decode(source, name);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse(name, cat("damaged EXR (", printable(error.what()), ")"));
  }
}

#else

FloatMap decode_exr(const ByteSource&, const std::string& name) {
  fail(ErrorKind::bad_data, name,
       ": OpenEXR is not read by this build; python3 -c \"import OpenEXR, numpy, sys; numpy.save(sys.argv[2], "
       "OpenEXR.File(sys.argv[1]).channels()['Z'].pixels)\" IN.exr OUT.npy makes a file that is");
}

#endif

}  // namespace md
