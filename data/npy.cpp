// A header that is a Python dictionary, and the bytes of the array.
#include "data/npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "data/file_status.h"
#include "data/image_io.h"

namespace md {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint32_t kLongestHeader = 4096;  // those of simple arrays have about 100 bytes

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  fail(ErrorKind::bad_data, path, ": ", why);
}

std::string read_bytes(std::ifstream& file, std::size_t size) {
  std::string bytes(size, '\0');
  file.read(bytes.data(), std::streamsize(size));
  bytes.resize(std::size_t(file.gcount()));
  return bytes;
}

/// The dictionary's text; the file is left at the first byte of data.
std::string read_header(std::ifstream& file, const std::string& path) {
  const std::string start = read_bytes(file, 8);
  if (start.size() < 8 || !start.starts_with(kMagic)) refuse(path, "not a .npy file");
  const std::string length = read_bytes(file, start[6] == 1 ? 2 : 4);
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < length.size(); ++i) size |= std::uint32_t(static_cast<unsigned char>(length[i])) << 8 * i;
  const std::string header = read_bytes(file, std::min(size, kLongestHeader));
  if (start[6] < 1 || start[6] > 3 || header.size() != size) refuse(path, "the .npy header is damaged");
  return header;
}

/// What follows 'key': up to one of `ends`.
std::string value_of(const std::string& header, const std::string& key, const char* ends, const std::string& path) {
  const std::size_t at = header.find("'" + key + "':");
  if (at == header.npos) refuse(path, "the .npy header has no '" + key + "'");
  const std::size_t begin = header.find_first_not_of(" ", at + key.size() + 3);
  const std::size_t end = header.find_first_of(ends, begin);
  return end == header.npos ? "" : header.substr(begin, end - begin);
}

/// "(1, 480, 640" -> {480, 640}.
std::optional<Shape> map_shape(const std::string& text) {
  std::vector<i64> shape;
  if (text.find_first_not_of("(0123456789, ") != text.npos) return std::nullopt;
  for (std::size_t at = text.find_first_of("0123456789"); at != text.npos;
       at = text.find_first_of("0123456789", text.find_first_not_of("0123456789", at))) {
    i64 size = 0;
    const auto read = std::from_chars(text.data() + at, text.data() + text.size(), size);
    if (read.ec != std::errc{} || size < 1 || size > max_image_side) return std::nullopt;
    shape.push_back(size);
    if (read.ptr == text.data() + text.size()) break;
  }
  while (shape.size() > 2 && shape.front() == 1) shape.erase(shape.begin());
  while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
  if (shape.size() != 2 || shape[0] * shape[1] > max_image_pixels) return std::nullopt;
  return Shape{shape[0], shape[1]};
}

template <class Value>
Tensor floats_of(const std::string& bytes, const Shape& shape) {
  const Tensor map = Tensor::empty(shape);
  for (i64 i = 0; i < map.numel(); ++i) {
    Value value;
    std::memcpy(&value, bytes.data() + std::size_t(i) * sizeof value, sizeof value);
    map.data()[i] = float(value);
  }
  return map;
}

}  // namespace

Tensor read_npy(const std::string& path) {
  const std::filesystem::file_status there = status_of(path);
  if (!std::filesystem::exists(there)) fail(ErrorKind::missing, path, ": no such file");
  if (!std::filesystem::is_regular_file(there)) refuse(path, "not a file");
  std::ifstream file(path, std::ios::binary);
  const std::string header = read_header(file, path);
  const std::string type = value_of(header, "descr", ",}", path);
  if (type != "'<f4'" && type != "'<f8'") refuse(path, "values of type " + type + ", wanted '<f4' or '<f8'");
  if (value_of(header, "fortran_order", ",}", path) != "False") refuse(path, "in Fortran's order");
  const std::string text = value_of(header, "shape", ")", path);
  const std::optional<Shape> shape = map_shape(text);
  if (!shape) refuse(path, "an array of shape " + text + ") is no map");
  const std::size_t size = std::size_t((*shape)[0] * (*shape)[1]) * (type == "'<f4'" ? 4 : 8);
  const std::string bytes = read_bytes(file, size);
  if (bytes.size() != size || file.peek() != std::ifstream::traits_type::eof()) {
    refuse(path, cat("not the ", size, " bytes of data of its shape"));
  }
  return type == "'<f4'" ? floats_of<float>(bytes, *shape) : floats_of<double>(bytes, *shape);
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
