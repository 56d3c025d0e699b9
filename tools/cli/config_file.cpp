// What of TOML is refused before CLI11 reads it.
#include "tools/cli/config_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>
#include <sstream>

#include "engine/check.h"

namespace md {
namespace {

constexpr std::size_t kMostConfigBytes = 1 << 16;

std::string all_of(std::istream& input) {
  std::string text(kMostConfigBytes + 1, '\0');
  input.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(input.gcount()));
  if (text.size() > kMostConfigBytes)
    throw CLI::ConfigError(cat("more than ", kMostConfigBytes, " bytes"), CLI::ExitCodes::ConfigError);
  return text;
}

[[noreturn]] void refuse_line(int number, const std::string& why) {
  throw CLI::ConfigError(cat("line ", number, ": ", why), CLI::ExitCodes::ConfigError);
}

/// CLI11 takes a '#' for the beginning of a comment, inside quotes too.
bool has_quoted_hash(const std::string& line) {
  char quote = 0;
  for (const char c : line) {
    if (c == '#') return quote != 0;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return false;
}

/// Throws on what CLI11 would misread: a '#' in quotes, or a key that is given twice in one section, which TOML forbids
/// (CLI11 joins or drops the second).
void refuse_misread_lines(const std::string& text) {
  std::set<std::string> seen;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (has_quoted_hash(line)) refuse_line(number, "values must not contain '#'");
    if (CLI::detail::ltrim(line).starts_with('[')) seen.clear();
    const auto equals = line.find('=');
    const std::string key = CLI::detail::trim_copy(line.substr(0, std::min(equals, line.size())));
    const bool comment = key.starts_with('#') || key.starts_with(';');
    if (equals != line.npos && !comment && !seen.insert(key).second)
      refuse_line(number, cat("key '", key, "' is given twice"));
  }
}

/// TOML as CLI11 reads it, but strict about what it would misread.
class StrictToml : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::istringstream text(all_of(input));
    refuse_misread_lines(text.str());
    return CLI::ConfigTOML::from_config(text);
  }
};

}  // namespace

std::shared_ptr<CLI::Config> strict_toml() { return std::make_shared<StrictToml>(); }

}  // namespace md
