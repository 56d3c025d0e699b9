// mdbench --against: this run beside an earlier one's --json file.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace md {

/// The earlier report. Throws ErrorKind::missing or bad_data where it cannot be read, is no such report, or was made
/// with other threads or on another device than `now`, the beginning of this run's report.
nlohmann::ordered_json read_earlier(const std::string& file, const nlohmann::ordered_json& now);

/// What an earlier table of ops says of this row's op, input and pass; an empty object where it has none.
nlohmann::ordered_json earlier_row(const nlohmann::ordered_json& table, const nlohmann::ordered_json& row);

/// Both have a time or a memory under `key`, and [low, high] under `spread`. "   1.07 of before: SLOWER" where even the
/// low end of `now` is above the high end of `before`, "faster" the other way round, otherwise the ratio alone; of
/// memory "   1.07 of its memory: MORE" and "less", where it is by a hundredth at least too. "" where `before` is an
/// empty object.
std::string against(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now, const char* key,
                    const std::string& spread);

}  // namespace md
