// mdbench --against: this run beside an earlier one's --json file.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace md {

/// The earlier report. Throws ErrorKind::missing or bad_data where it cannot be read, is no such report, or was made
/// with other threads, on another device or in another precision than `now`, the beginning of this run's report.
nlohmann::ordered_json read_earlier(const std::string& file, const nlohmann::ordered_json& now);

/// What an earlier table of ops says of this row's network, op, input and pass; an empty object where it has none.
nlohmann::ordered_json earlier_row(const nlohmann::ordered_json& table, const nlohmann::ordered_json& row);

/// Both have a time under `key` and "spread_s", [low, high]. "   1.07 of before: SLOWER" where even the low end of
/// `now` is above the high end of `before`, "faster" the other way round, otherwise the ratio alone; "" where `before`
/// is an empty object.
std::string against(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now, const char* key);

}  // namespace md
