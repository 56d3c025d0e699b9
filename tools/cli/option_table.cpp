// TOML and JSON of a table's values.
#include "tools/cli/option_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "engine/check.h"
#include "engine/tensor.h"
#include "engine/text.h"
#include "tools/cli/nearest.h"

namespace md {
namespace {

/// A config is kept as TOML and as JSON, and read again to go on.
void require_keepable(const std::string& name, const std::string& text) {
  if (text.find_first_of("#\n") != text.npos)
    fail(ErrorKind::usage, "--", name, " ", text, ": '#' and line breaks do not come back from a run's config.toml");
  try {
    nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::usage, "--", name, " ", text, ": not UTF-8");
  }
}

std::string toml_value(const std::string& name, const nlohmann::json& value) {
  if (value.is_string()) {
    require_keepable(name, value);
    return CLI::detail::convert_arg_for_ini(value.get<std::string>());
  }
  if (!value.is_array()) return value.dump();
  std::string list;
  for (const nlohmann::json& each : value) list += (list.empty() ? "" : ", ") + toml_value(name, each);
  return "[" + list + "]";
}

template <class T>
nlohmann::json to_json(const T& value) {
  if constexpr (std::is_floating_point_v<T>)
    return nlohmann::json::parse(shortest(value));  // the shortest number that is read as the same value
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
void from_json(const nlohmann::json& json, std::string& value) {
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

}  // namespace

OptionRow& OptionTable::add_row(OptionRow row) {
  row.group = group_;
  return rows_.emplace_back(std::move(row));
}

OptionRow& OptionTable::add(const std::string& name, bool& value, const std::string& help) {
  const auto define = [=, &value](CLI::App& app) {
    CLI::Option* const option = app.add_flag(cat("--", name, ",!--no-", name), value, help);
    return option->default_str(value ? "true" : "false");  // CLI11 does not capture that of a flag by itself
  };
  return add_row({.name = name,
                  .help = help,
                  .define = define,
                  .value = [&value] { return nlohmann::json(value); },
                  .store = [&value](const nlohmann::json& json) { value = json.get<bool>(); }});
}

template <class T>
OptionRow& OptionTable::add(const std::string& name, T& value, const std::string& help,
                            const std::optional<CLI::Validator>& check) {
  const auto define = [=, &value](CLI::App& app) {
    CLI::Option* const option = app.add_option("--" + name, value, help);
    if (check) option->check(*check);
    if (is_list<T>) option->delimiter(',');
    return option;
  };
  return add_row({.name = name,
                  .help = help,
                  .define = define,
                  .value = [&value] { return to_json(value); },
                  .store = [&value](const nlohmann::json& json) { from_json(json, value); }});
}

// Here, once: CLI11 takes seconds to compile for each of them.
#define MD_OPTION_OF(...)                                                                    \
  template OptionRow& OptionTable::add(const std::string&, __VA_ARGS__&, const std::string&, \
                                       const std::optional<CLI::Validator>&)
MD_OPTION_OF(int);
MD_OPTION_OF(i64);
MD_OPTION_OF(std::uint64_t);
MD_OPTION_OF(float);
MD_OPTION_OF(double);
MD_OPTION_OF(std::string);
MD_OPTION_OF(std::vector<float>);
MD_OPTION_OF(std::vector<double>);
MD_OPTION_OF(std::vector<std::string>);
MD_OPTION_OF(std::array<float, 2>);
MD_OPTION_OF(std::array<double, 2>);
#undef MD_OPTION_OF

void OptionTable::add_names(const std::string& name, std::vector<std::string> names, const std::string& help,
                            std::function<std::size_t()> chosen, std::function<void(std::size_t)> choose) {
  const auto store = [name, names, choose = std::move(choose)](const std::string& given) {
    const auto found = std::ranges::find(names, given);
    if (found == names.end()) fail(ErrorKind::usage, "--", name, ": there is no '", given, "'");
    choose(std::size_t(found - names.begin()));
  };
  const auto name_now = [names, chosen = std::move(chosen)]() -> std::string { return names[chosen()]; };
  const auto define = [=](CLI::App& app) {
    CLI::Option* const option = app.add_option_function<std::string>("--" + name, store, help);
    return option->check(CLI::IsMember(names))->default_str(name_now());
  };
  const auto store_json = [store](const nlohmann::json& json) { store(json.get<std::string>()); };
  add_row({.name = name, .help = help, .define = define, .value = name_now, .store = store_json});
}

void OptionTable::define(CLI::App& app) const {
  app.option_defaults()->always_capture_default();
  for (const OptionRow& row : rows_) {
    CLI::Option* const option = row.define(app);
    if (!row.group.empty()) option->group(row.group);
  }
}

std::string OptionTable::toml() const {
  std::string text, group;
  for (const OptionRow& row : rows_) {
    if (row.group != group) {
      text += cat(group.empty() ? "" : "\n", "# ", row.group, "\n");
      group = row.group;
    }
    text += row.name + " = " + toml_value(row.name, row.value()) + "\n";
  }
  return text;
}

nlohmann::json OptionTable::json() const {
  nlohmann::json object = nlohmann::json::object();
  for (const OptionRow& row : rows_) object[row.name] = row.value();
  return object;
}

void OptionTable::read(const nlohmann::json& values) {
  for (const OptionRow& row : rows_) {
    const auto found = values.find(row.name);
    if (found == values.end()) continue;
    try {
      row.store(*found);
    } catch (const std::exception& error) {
      fail(ErrorKind::bad_data, "config: ", row.name, ": ", error.what());
    }
  }
}

const OptionRow& OptionTable::at(const std::string& name) const {
  std::vector<std::string> names;
  for (const OptionRow& row : rows_) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  const std::string meant = nearest(name, names);
  fail(ErrorKind::usage, "there is no option '", name, "'", meant.empty() ? "" : " (did you mean " + meant + "?)");
}

}  // namespace md
