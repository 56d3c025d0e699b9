// What TensorBoard reads: the scalars of metrics.jsonl as an event file, TFRecords (length, masked CRC-32C, data,
// masked CRC-32C) of tensorflow.Event messages. Its protobuf is written by hand (tools/cli/protobuf.h).
#pragma once
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace md {

/// CRC-32C (Castagnoli, RFC 3720).
std::uint32_t crc32c(std::string_view bytes);

/// One line of metrics.jsonl (with `time`, Unix seconds, and `step`) as a record: train/loss, train/lr, eval/abs_rel
/// ...;
/// "" where the line has no scalar.
std::string event_record(const nlohmann::ordered_json& line);

/// The record that an event file begins with.
std::string first_event_record(double time_s);

}  // namespace md
