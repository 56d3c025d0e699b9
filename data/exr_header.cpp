// Name, type, size, value; name, type, size, value; an empty name.
#include "data/exr_header.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "engine/check.h"

namespace md {
namespace {

constexpr unsigned kDeep = 0x800, kSeveralParts = 0x1000;  // flags of the file's version
constexpr int kMostAttributes = 4096;
constexpr std::size_t kLongestName = 255;
constexpr std::uint32_t kMostListBytes = 1U << 20;  // of what is read to be counted

/// Of types that always have as many.
struct FixedBytes {
  std::string_view type;
  std::uint32_t bytes;
};
constexpr FixedBytes kFixedBytes[] = {
    {"box2f", 16},
    {"box2i", 16},
    {"chromaticities", 32},
    {"compression", 1},
    {"deepImageState", 1},
    {"double", 8},
    {"envmap", 1},
    {"float", 4},
    {"int", 4},
    {"keycode", 28},
    {"lineOrder", 1},
    {"m33d", 72},
    {"m33f", 36},
    {"m44d", 128},
    {"m44f", 64},
    {"rational", 8},
    {"tiledesc", 9},
    {"timecode", 8},
    {"v2d", 16},
    {"v2f", 8},
    {"v2i", 8},
    {"v3d", 24},
    {"v3f", 12},
    {"v3i", 12},
};

struct Attribute {
  std::string name, type;
  std::uint64_t value_at = 0;
  std::uint32_t bytes = 0;
};

[[noreturn]] void damaged(const std::string& name) { fail(ErrorKind::bad_data, name, ": damaged EXR"); }

/// The attribute at `at`; an empty name: the header's end.
Attribute attribute_at(const ByteSource& source, std::uint64_t at, const std::string& name) {
  std::array<unsigned char, 2 * (kLongestName + 1) + 4> text{};
  const std::string_view here(reinterpret_cast<const char*>(text.data()), source.read(at, text));
  const std::size_t its_name = here.find('\0');
  if (its_name == 0) return {};
  if (its_name > kLongestName) damaged(name);
  const std::size_t its_type = here.find('\0', its_name + 1);
  if (its_type == here.npos || its_type + 5 > here.size()) damaged(name);
  return {std::string(here.substr(0, its_name)), std::string(here.substr(its_name + 1, its_type - its_name - 1)),
          at + its_type + 5, little32(text.data() + its_type + 1)};
}

std::string value_of(const ByteSource& source, const Attribute& attribute, const std::string& name) {
  std::string value(std::min(attribute.bytes, kMostListBytes), '\0');
  if (value.size() != attribute.bytes ||
      !source.read_all(attribute.value_at, {reinterpret_cast<unsigned char*>(value.data()), value.size()}))
    damaged(name);
  return value;
}

std::uint32_t number_at(std::string_view value, std::size_t at) {
  return little32(reinterpret_cast<const unsigned char*>(value.data()) + at);
}

/// Names, each with 16 bytes; an empty one.
bool is_channel_list(std::string_view value) {
  std::size_t at = 0;
  while (at < value.size() && value[at] != '\0') {
    const std::size_t end = value.find('\0', at);
    if (end == value.npos || end - at > kLongestName) return false;
    at = end + 17;
  }
  return at + 1 == value.size();
}

bool is_string_vector(std::string_view value) {
  std::size_t at = 0;
  while (at + 4 <= value.size() && number_at(value, at) <= value.size() - at - 4) at += 4 + number_at(value, at);
  return at == value.size();
}

bool is_preview(std::string_view value) {
  return value.size() >= 8 && std::uint64_t{number_at(value, 0)} * number_at(value, 4) == (value.size() - 8) / 4 &&
         value.size() % 4 == 0;
}

/// Whether the library reads `attribute.bytes` of it, no more and no fewer.
bool has_its_size(const ByteSource& source, const Attribute& attribute, const std::string& name) {
  const auto* const fixed = std::ranges::find(kFixedBytes, attribute.type, &FixedBytes::type);
  if (fixed != std::end(kFixedBytes)) return attribute.bytes == fixed->bytes;
  if (attribute.type == "chlist") return is_channel_list(value_of(source, attribute, name));
  if (attribute.type == "stringvector") return is_string_vector(value_of(source, attribute, name));
  if (attribute.type == "preview") return is_preview(value_of(source, attribute, name));
  if (attribute.type == "floatvector") return attribute.bytes % 4 == 0;
  return attribute.type != "idmanifest" && attribute.type != "bytes";  // text, and what the library does not know
}

}  // namespace

void check_exr_header(const ByteSource& source, const std::string& name) {
  std::array<unsigned char, 8> start{};
  if (!source.read_all(0, start)) damaged(name);
  const unsigned version = little32(start.data() + 4);
  if (version & kDeep) fail(ErrorKind::bad_data, name, ": a deep EXR, which has several depths a pixel, is not read");
  if (version & kSeveralParts) fail(ErrorKind::bad_data, name, ": an EXR of several parts is not read");
  std::uint64_t at = start.size();
  for (int i = 0; i < kMostAttributes; ++i) {
    const Attribute attribute = attribute_at(source, at, name);
    if (attribute.name.empty()) return;
    at = attribute.value_at + attribute.bytes;
    if (at > source.size() || !has_its_size(source, attribute, name)) damaged(name);
  }
  damaged(name);
}

}  // namespace md
