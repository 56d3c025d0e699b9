// The options of a program, one row each. All that is said of an option stands in its row once: the flag (CLI11), the
// key of the config file (TOML), the value that a checkpoint keeps (JSON) and what is read back are made from it.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

  /// A number, text, or a vector or array of them, given as a,b,c: the types that option_table.cpp names. A bool is a
  /// pair of flags, --name and --no-name.
  OptionRow& add(const std::string& name, bool& value, const std::string& help);
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
  void add_names(const std::string& name, std::vector<std::string> names, const std::string& help,
                 std::function<std::size_t()> chosen, std::function<void(std::size_t)> choose);

  std::string group_;
  std::vector<OptionRow> rows_;
};

// --- implementation ---

template <class Value>
void OptionTable::add_choice(const std::string& name, Value& value, std::vector<std::pair<std::string, Value>> names,
                             const std::string& help) {
  std::vector<std::string> known;
  for (const auto& [each, ignored] : names) known.push_back(each);
  const auto chosen = [names, &value] {
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i].second == value) return i;
    }
    return std::size_t{0};
  };
  add_names(name, std::move(known), help, chosen, [names, &value](std::size_t i) { value = names[i].second; });
}

}  // namespace md
