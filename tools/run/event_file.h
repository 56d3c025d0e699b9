// What TensorBoard reads: the scalars of metrics.jsonl as an event file, TFRecords (length, masked CRC-32C, data,
// masked CRC-32C) of tensorflow.Event messages. Its protobuf is written by hand (tools/cli/protobuf.h). What was
// written is never changed or replaced: a TensorBoard that stays open reads on where it was.
#pragma once
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace md {

/// CRC-32C (Castagnoli, RFC 3720).
std::uint32_t crc32c(std::string_view bytes);

/// One line of metrics.jsonl (with `time`, Unix seconds, and `step`) as a record: train/loss, train/lr, eval/abs_rel
/// ...; of adaptive thresholds train/thresholds/positive-below, .../ranges/1 (where the first range begins),
/// .../margins/1 ...
/// "" where the line has no scalar.
std::string event_record(const nlohmann::ordered_json& line);

/// What an event file begins with. A run's first file: `from_step` 0. Later ones, of runs that went on or back, sort
/// behind it by name; TensorBoard reads them one after the other, and their SessionLog.START makes it forget what the
/// files before have of `from_step` and later steps (_CheckForRestartAndMaybePurge in its event_accumulator.py). It
/// stands there twice: the first that a reader meets is for plugin_event_accumulator.py the run's beginning.
std::string first_event_records(double time_s, std::int64_t from_step);

/// The time that an event file begins with, seconds since 1970; nothing where these first bytes are not one's.
std::optional<double> first_event_time_s(std::string_view bytes);

}  // namespace md
