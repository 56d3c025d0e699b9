// Field numbers are those of tensorflow/core/util/event.proto and framework/summary.proto.
#include "tools/event_file.h"

#include <array>
#include <cstring>

namespace md {
namespace {

/// Wire types of protobuf.
enum class Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void put_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += char(value | 0x80);
  message += char(value);
}

void put_key(std::string& message, std::uint32_t field, Wire wire) {
  put_varint(message, field << 3 | std::uint32_t(wire));
}

template <class T>
void put_raw(std::string& message, T value) {
  std::array<char, sizeof value> raw{};
  std::memcpy(raw.data(), &value, sizeof value);  // little-endian, as the engine's files are
  message.append(raw.data(), raw.size());
}

void put_bytes(std::string& message, std::uint32_t field, std::string_view bytes) {
  put_key(message, field, Wire::bytes);
  put_varint(message, bytes.size());
  message += bytes;
}

std::string event(double time_s, std::int64_t step) {
  std::string message;
  put_key(message, 1, Wire::fixed64);
  put_raw(message, time_s);
  put_key(message, 2, Wire::varint);
  put_varint(message, std::uint64_t(step));
  return message;
}

/// Summary.Value with tag and simple_value, inside Summary.value.
void put_scalar(std::string& summary, const std::string& tag, float value) {
  std::string scalar;
  put_bytes(scalar, 1, tag);
  put_key(scalar, 2, Wire::fixed32);
  put_raw(scalar, value);
  put_bytes(summary, 1, scalar);
}

std::string record(const std::string& data) {
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
  };
  std::string length;
  put_raw(length, std::uint64_t(data.size()));
  std::string all = length;
  put_raw(all, masked(length));
  all += data;
  put_raw(all, masked(data));
  return all;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78U;
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= std::uint8_t(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kReversedPolynomial : 0);
  }
  return ~crc;
}

std::string event_record(const nlohmann::ordered_json& line) {
  const bool evaluation = line.contains("eval");
  const nlohmann::ordered_json& values = evaluation ? line["eval"] : line;
  std::string summary;
  for (const auto& [key, value] : values.items()) {
    if (!value.is_number() || key == "step" || key == "time" || key == "epoch") continue;
    put_scalar(summary, (evaluation ? "eval/" : "train/") + key, value.get<float>());
  }
  if (summary.empty()) return "";
  std::string message = event(line.at("time"), line.at("step"));
  put_bytes(message, 5, summary);
  return record(message);
}

std::string first_event_record(double time_s) {
  std::string message = event(time_s, 0);
  put_bytes(message, 3, "brain.Event:2");
  return record(message);
}

}  // namespace md
