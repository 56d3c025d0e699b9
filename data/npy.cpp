// A header that is a Python dictionary, and the bytes of the array. Format: numpy.lib.format 1.0 to 3.0.
#include "data/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "data/codecs.h"
#include "data/depth_map_codecs.h"
#include "engine/half.h"

namespace md {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint32_t kLongestHeader = 4096;  // those of simple arrays have about 100 bytes
constexpr std::size_t kValuesAtOnce = 1U << 16;

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  fail(ErrorKind::bad_data, name, ": ", why);
}

std::string read_bytes(ByteStream& stream, std::size_t size) {
  std::string bytes(size, '\0');
  bytes.resize(stream.read({reinterpret_cast<unsigned char*>(bytes.data()), size}));
  return bytes;
}

/// The dictionary's text, and how many bytes lie before the data; the stream is left there.
struct Header {
  std::string text;
  std::size_t bytes;
};
Header read_header(ByteStream& stream, const std::string& name) {
  const std::string start = read_bytes(stream, 8);
  if (start.size() < 8 || !start.starts_with(kMagic)) refuse(name, "not a .npy file");
  const std::string length = read_bytes(stream, start[6] == 1 ? 2 : 4);
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < length.size(); ++i) size |= std::uint32_t(static_cast<unsigned char>(length[i])) << 8 * i;
  const std::string text = read_bytes(stream, std::min(size, kLongestHeader));
  if (start[6] < 1 || start[6] > 3 || text.size() != size) refuse(name, "the .npy header is damaged");
  return {text, start.size() + length.size() + text.size()};
}

/// What follows 'key': up to one of `ends`.
std::string value_of(const Header& header, const std::string& key, const char* ends, const std::string& name) {
  const std::size_t at = header.text.find("'" + key + "':");
  if (at == header.text.npos) refuse(name, "the .npy header has no '" + key + "'");
  const std::size_t begin = header.text.find_first_not_of(" ", at + key.size() + 3);
  const std::size_t end = header.text.find_first_of(ends, begin);
  return end == header.text.npos ? "" : header.text.substr(begin, end - begin);
}

struct MapShape {
  int height, width;
};

/// "(1, 480, 640" -> 480x640. An old Python's integers end in L.
std::optional<MapShape> map_shape(const std::string& text) {
  std::vector<int> shape;
  if (text.find_first_not_of("(0123456789L, ") != text.npos) return std::nullopt;
  for (std::size_t at = text.find_first_of("0123456789"); at != text.npos;
       at = text.find_first_of("0123456789", text.find_first_not_of("0123456789", at))) {
    int size = 0;
    const auto read = std::from_chars(text.data() + at, text.data() + text.size(), size);
    if (read.ec != std::errc{} || size < 1 || size > max_image_side) return std::nullopt;
    shape.push_back(size);
    if (read.ptr == text.data() + text.size()) break;
  }
  while (shape.size() > 2 && shape.front() == 1) shape.erase(shape.begin());
  while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
  if (shape.size() != 2 || shape[0] * shape[1] > max_image_pixels) return std::nullopt;  // below 2^29
  return MapShape{shape[0], shape[1]};
}

/// A number of a file, its bytes in this machine's order, as a float.
template <class Value>
float float_of(const unsigned char* at) {
  Value value;
  std::memcpy(&value, at, sizeof value);
  return float(value);
}

float float_of_half(const unsigned char* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return float(value_of_half(bits));
}

struct NumberType {
  std::string_view code;  // NumPy's, without the byte order
  std::size_t bytes;
  bool integer;
  float (*read)(const unsigned char* at);
};
constexpr std::array<NumberType, 12> kNumberTypes = {{{"f2", 2, false, float_of_half},
                                                      {"f4", 4, false, float_of<float>},
                                                      {"f8", 8, false, float_of<double>},
                                                      {"b1", 1, true, float_of<std::uint8_t>},
                                                      {"u1", 1, true, float_of<std::uint8_t>},
                                                      {"i1", 1, true, float_of<std::int8_t>},
                                                      {"u2", 2, true, float_of<std::uint16_t>},
                                                      {"i2", 2, true, float_of<std::int16_t>},
                                                      {"u4", 4, true, float_of<std::uint32_t>},
                                                      {"i4", 4, true, float_of<std::int32_t>},
                                                      {"u8", 8, true, float_of<std::uint64_t>},
                                                      {"i8", 8, true, float_of<std::int64_t>}}};

/// How the numbers of an array lie in its file.
struct Layout {
  NumberType type;
  bool swapped;  // their bytes are in the other order than this machine's
  bool fortran;  // column after column
};

Layout layout_of(const Header& header, const std::string& name) {
  const std::string descr = value_of(header, "descr", ",}", name);
  const std::string_view code = std::string_view(descr).substr(std::min<std::size_t>(descr.size(), 2), 2);
  const auto* const type = std::ranges::find(kNumberTypes, code, &NumberType::code);
  const bool quoted = descr.size() == 5 && descr[0] == '\'' && descr[4] == '\'';
  const char byte_order = quoted ? descr[1] : '?';
  if (type == kNumberTypes.end() || std::string_view("<>|").find(byte_order) == std::string_view::npos ||
      (byte_order == '|') != (type->bytes == 1)) {
    refuse(name, "values of type " + printable(descr) + ", wanted are floats of 2 to 8 bytes or integers");
  }
  const std::string order = value_of(header, "fortran_order", ",}", name);
  if (order != "True" && order != "False") refuse(name, "the .npy header is damaged");
  const char native = std::endian::native == std::endian::little ? '<' : '>';
  return {*type, byte_order != '|' && byte_order != native, order == "True"};
}

void swap_bytes(std::span<unsigned char> values, std::size_t bytes) {
  for (std::size_t at = 0; at < values.size(); at += bytes) std::ranges::reverse(values.subspan(at, bytes));
}

void read_values(ByteStream& stream, const Layout& layout, FloatMap& map, const std::string& name) {
  const std::size_t height = std::size_t(map.height), width = std::size_t(map.width), count = height * width;
  std::vector<unsigned char> bytes(std::min(kValuesAtOnce, count) * layout.type.bytes);
  for (std::size_t done = 0; done < count;) {
    const std::size_t now = std::min(kValuesAtOnce, count - done);
    const std::span<unsigned char> part = std::span(bytes).first(now * layout.type.bytes);
    if (stream.read(part) != part.size()) refuse(name, "cannot be read to its end");
    if (layout.swapped) swap_bytes(part, layout.type.bytes);
    for (std::size_t i = 0; i < now; ++i, ++done) {
      const std::size_t at = layout.fortran ? done % height * width + done / height : done;
      map.pixels[at] = layout.type.read(part.data() + i * layout.type.bytes);
    }
  }
  unsigned char more = 0;
  if (stream.read({&more, 1}) != 0) refuse(name, "more data than it says");
}

}  // namespace

FloatMap decode_npy(ByteStream& stream, const std::string& name) {
  const Header header = read_header(stream, name);
  const Layout layout = layout_of(header, name);
  const std::string text = value_of(header, "shape", ")", name);
  const std::optional<MapShape> shape = map_shape(text);
  if (!shape) refuse(name, "an array of shape " + printable(text) + ") is no map");
  const std::size_t pixels = std::size_t(shape->height) * std::size_t(shape->width);
  const std::size_t data = pixels * layout.type.bytes;
  if (stream.size() != header.bytes + data) refuse(name, cat("not the ", data, " bytes of data of its shape"));
  FloatMap map{shape->height, shape->width, std::vector<float>(pixels), layout.type.integer};
  read_values(stream, layout, map, name);
  return map;
}

std::string to_npy(const Tensor& map) {
  MD_CHECK(map.shape().rank() == 2, "npy: ", map.shape(), " is no map");
  return npy_header(map.dim(0), map.dim(1)).append(static_cast<const char*>(map.raw()), map.bytes());
}

std::string npy_header(i64 height, i64 width) {
  std::string header = cat("{'descr': '<f4', 'fortran_order': False, 'shape': (", height, ", ", width, "), }");
  constexpr std::size_t kBefore = 10;                       // magic, version, length
  header.append(63 - (kBefore + header.size()) % 64, ' ');  // data begin at a multiple of 64 bytes
  header += '\n';
  std::string bytes(kMagic);
  bytes.append({1, 0, char(header.size() & 0xFF), char(header.size() >> 8)});
  return bytes + header;
}

}  // namespace md
