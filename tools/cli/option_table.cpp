// TOML and JSON of a table's values.
#include "tools/cli/option_table.h"

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

}  // namespace

nlohmann::json json_number(float value) { return nlohmann::json::parse(shortest(value)); }
nlohmann::json json_number(double value) { return nlohmann::json::parse(shortest(value)); }

OptionRow& OptionTable::add_row(OptionRow row) {
  row.group = group_;
  return rows_.emplace_back(std::move(row));
}

void OptionTable::add(const std::string& name, bool& value, const std::string& help) {
  const auto define = [=, &value](CLI::App& app) {
    CLI::Option* const option = app.add_flag(cat("--", name, ",!--no-", name), value, help);
    return option->default_str(value ? "true" : "false");  // CLI11 does not capture that of a flag by itself
  };
  add_row({.name = name,
           .help = help,
           .define = define,
           .value = [&value] { return nlohmann::json(value); },
           .store = [&value](const nlohmann::json& json) { value = json.get<bool>(); }});
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
