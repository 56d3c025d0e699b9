// Made when it is set, so that a wrong name shows in any run of the program.
#include "tools/cli/short_help.h"

#include <CLI/CLI.hpp>

#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

constexpr std::size_t kColumn = 26, kLongestDefault = 12;

/// " [1e-4]" of an option that takes a value; nothing where it is long, or none, which is also what 0 stands for.
std::string default_of(const CLI::App& app, const std::string& option) {
  const std::string name = option.substr(0, option.find_first_of(" ,"));
  if (!name.starts_with("-")) return "";
  const CLI::Option* const found = app.get_option_no_throw(name);
  MD_CHECK(found, "set_short_help: no option ", name);
  const std::string value = found->get_default_str();
  const bool flag = found->get_expected_max() == 0 || value == "true" || value == "false";
  return flag || value.empty() || value == "[]" || value == "0" || value.size() > kLongestDefault ? ""
                                                                                                  : " [" + value + "]";
}

}  // namespace

void set_short_help(CLI::App& app, const std::vector<std::string>& usage, const std::vector<HelpGroup>& groups) {
  app.set_help_all_flag("--help-all", "Print every option and exit");
  std::string page = app.get_description();
  for (const std::string& line : usage) page += (&line == &usage.front() ? "\nUsage: " : "\n       ") + line;
  page += "\n";
  for (const HelpGroup& group : groups) {
    page += "\n" + group.title + ":\n";
    for (const HelpGroup::Line& line : group.lines)
      page += "  " + padded(line.option, kColumn) + line.words + default_of(app, line.option) + "\n";
  }
  page += "\n  " + padded("--help-all", kColumn) + "every option\n";
  const CLI::Formatter whole;
  app.formatter_fn([page, whole](const CLI::App* of, std::string name, CLI::AppFormatMode mode) {
    return mode == CLI::AppFormatMode::Normal ? page : whole.make_help(of, std::move(name), mode);
  });
}

}  // namespace md
