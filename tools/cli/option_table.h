// The options of a program, one row each. All that is said of an option stands in its row once: the flag (CLI11), the
// key of the config file (TOML), the value that a checkpoint keeps (JSON) and what is read back are made from it.
#pragma once
#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/check.h"

namespace md {

/// One option, bound to the variable that holds its value.
struct OptionRow {
  std::string group = {}, name, help;                // name without dashes; help says the unit where there is one
  std::function<CLI::Option*(CLI::App&)> define;     // the flag, with its check
  std::function<nlohmann::json()> value;             // what the variable holds: a number, text, true, or a list of them
  std::function<void(const nlohmann::json&)> store;  // throws nlohmann's exceptions where the type does not fit
  bool changes_numbers = true;                       // false: only how the run goes on, not what it computes
};

/// Rows in the order of --help and of the config file. The variables must outlive it.
class OptionTable {
 public:
  /// Headline of the rows to come.
  void group(std::string name) { group_ = std::move(name); }

  /// A number, text, or a vector or array of them, given as a,b,c. A bool is a pair of flags, --name and --no-name.
  void add(const std::string& name, bool& value, const std::string& help);
  template <class T>
  OptionRow& add(const std::string& name, T& value, const std::string& help,
                 const std::optional<CLI::Validator>& check = {});

  /// One of a few values that have names.
  template <class Value>
  void add_choice(const std::string& name, Value& value, std::vector<std::pair<std::string, Value>> names,
                  const std::string& help);

  /// Defines a flag for each row; --help shows the variables' values now as the defaults.
  void define(CLI::App&) const;
  /// The values as a config file that gives the same run. Throws ErrorKind::usage for text that would not come back.
  std::string toml() const;
  /// The same as an object of JSON; equal values give equal objects, however they were written ("10" or "10.0").
  nlohmann::json json() const;
  /// Stores those values of a json() that have a row here. Throws ErrorKind::bad_data, naming the key.
  void read(const nlohmann::json&);
  /// Throws ErrorKind::usage, naming the nearest, where there is none of that name.
  const OptionRow& at(const std::string& name) const;
  const std::vector<OptionRow>& rows() const { return rows_; }

 private:
  OptionRow& add_row(OptionRow row);

  std::string group_;
  std::vector<OptionRow> rows_;
};

// --- implementation ---

/// The shortest number that is read as the same value.
nlohmann::json json_number(float);
nlohmann::json json_number(double);

namespace option_values {

template <class T>
nlohmann::json to_json(const T& value) {
  if constexpr (std::is_floating_point_v<T>)
    return json_number(value);
  else
    return value;
}
template <class T>
nlohmann::json to_json(const std::vector<T>& values) {
  nlohmann::json list = nlohmann::json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

template <class T>
void from_json(const nlohmann::json& json, T& value) {
  value = json.get<T>();
}
// Text that looks like a number was kept as one before 2026-11-29.
inline void from_json(const nlohmann::json& json, std::string& value) {
  value = json.is_string() ? json.get<std::string>() : json.dump();
}
template <class T>
void from_json(const nlohmann::json& json, std::vector<T>& values) {
  values.clear();
  for (const nlohmann::json& each : json) from_json(each, values.emplace_back());
}

template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::vector<T>> = true;
template <class T, std::size_t n>
constexpr bool is_list<std::array<T, n>> = true;

}  // namespace option_values

template <class T>
OptionRow& OptionTable::add(const std::string& name, T& value, const std::string& help,
                            const std::optional<CLI::Validator>& check) {
  const auto define = [=, &value](CLI::App& app) {
    CLI::Option* const option = app.add_option("--" + name, value, help);
    if (check) option->check(*check);
    if (option_values::is_list<T>) option->delimiter(',');
    return option;
  };
  return add_row({.name = name,
                  .help = help,
                  .define = define,
                  .value = [&value] { return option_values::to_json(value); },
                  .store = [&value](const nlohmann::json& json) { option_values::from_json(json, value); }});
}

template <class Value>
void OptionTable::add_choice(const std::string& name, Value& value, std::vector<std::pair<std::string, Value>> names,
                             const std::string& help) {
  std::vector<std::string> known;
  for (const auto& [each, ignored] : names) known.push_back(each);
  const auto name_now = [names, &value]() -> std::string {
    for (const auto& [each, means] : names) {
      if (means == value) return each;
    }
    return names.front().first;
  };
  const auto store = [name, names, &value](const std::string& chosen) {
    for (const auto& [each, means] : names) {
      if (each == chosen) return void(value = means);
    }
    fail(ErrorKind::usage, "--", name, ": there is no '", chosen, "'");
  };
  const auto define = [=](CLI::App& app) {
    CLI::Option* const option = app.add_option_function<std::string>("--" + name, store, help);
    return option->check(CLI::IsMember(known))->default_str(name_now());
  };
  add_row(
      {.name = name, .help = help, .define = define, .value = name_now, .store = [store](const nlohmann::json& json) {
         store(json.get<std::string>());
       }});
}

}  // namespace md
