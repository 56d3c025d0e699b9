// What mdbench prints of each report; the reports are those that --json writes.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace md {

/// A benchmark in all its precisions, `reports` by name, with all modes of its peers; `earlier` may have the same
/// names.
void print_work(const std::string& what, const nlohmann::ordered_json& reports, const nlohmann::ordered_json& earlier);
/// `before` is the earlier report of the same kind (tools/bench/bench_against.h), or an empty object.
void print_ops(const nlohmann::ordered_json& report, const nlohmann::ordered_json& before);
/// The ops that take longer in bf16 than in f32, and those that f32 does without, of two tables of one piece of work.
void print_slower_ops(const nlohmann::ordered_json& f32, const nlohmann::ordered_json& bf16);
void print_data(const nlohmann::ordered_json& report);

}  // namespace md
