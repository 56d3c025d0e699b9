// Field numbers are those of tensorflow/core/util/event.proto and framework/summary.proto.
#include "tools/run/event_file.h"

#include <cstring>

#include "tools/cli/protobuf.h"
#include "tools/cli/raw_bytes.h"

namespace md {
namespace {

constexpr std::uint32_t kSessionLog = 7;   // Event.session_log
constexpr std::int64_t kSessionStart = 1;  // SessionLog.START, of SessionLog.status

ProtoMessage event(double time_s, std::int64_t step) {
  ProtoMessage message;
  message.real(1, time_s).integer(2, step);
  return message;
}

std::string record(const std::string& data) {
  const auto masked = [](std::string_view bytes) {
    const std::uint32_t crc = crc32c(bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
  };
  std::string length;
  append_raw(length, std::uint64_t(data.size()));
  std::string all = length;
  append_raw(all, masked(length));
  all += data;
  append_raw(all, masked(data));
  return all;
}

/// Adds a Summary.Value with tag and simple_value to a Summary.
void add_scalar(ProtoMessage& summary, const std::string& tag, float value) {
  summary.message(1, ProtoMessage().bytes(1, tag).real(2, value));
}

/// Adaptive thresholds (tools/train/thresholds.h); a range, "A-B" or "A-inf", by where it begins.
void add_thresholds(ProtoMessage& summary, const nlohmann::ordered_json& thresholds) {
  const std::string tag = "train/thresholds/";
  add_scalar(summary, tag + "positive-below", thresholds.at("positive-below"));
  for (std::size_t i = 0; i < thresholds.at("ranges").size(); ++i) {
    const std::string place = "/" + std::to_string(i + 1);
    add_scalar(summary, tag + "ranges" + place, std::stof(thresholds["ranges"][i].get<std::string>()));
    add_scalar(summary, tag + "margins" + place, thresholds.at("margins").at(i));
  }
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
  ProtoMessage summary;
  for (const auto& [key, value] : values.items()) {
    if (!value.is_number() || key == "step" || key == "time" || key == "epoch") continue;
    add_scalar(summary, (evaluation ? "eval/" : "train/") + key, value);
  }
  if (line.contains("thresholds")) add_thresholds(summary, line["thresholds"]);
  if (summary.encoded().empty()) return "";
  return record(event(line.at("time"), line.at("step")).message(5, summary).encoded());
}

std::string first_event_records(double time_s, std::int64_t from_step) {
  std::string records = record(event(time_s, 0).bytes(3, "brain.Event:2").encoded());
  if (from_step == 0) return records;
  const ProtoMessage start = ProtoMessage().integer(1, kSessionStart);
  const std::string forget = record(event(time_s, from_step).message(kSessionLog, start).encoded());
  return records + forget + forget;
}

std::optional<double> first_event_time_s(std::string_view bytes) {
  constexpr std::size_t header = 12;             // the length and its checksum
  constexpr char time_is_a_double = 1 << 3 | 1;  // the key of Event.wall_time
  double time_s = 0;
  if (bytes.size() < header + 1 + sizeof time_s || bytes[header] != time_is_a_double) return std::nullopt;
  std::memcpy(&time_s, bytes.data() + header + 1, sizeof time_s);
  return time_s;
}

}  // namespace md
