// A row of the table is a flag, a key of TOML and one of JSON; every line of --help can be understood alone.
// Labels: tool
#include "tools/cli/option_table.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/kit/caught.h"
#include "tests/kit/run_tool.h"
#include "tools/cli/cli.h"
#include "tools/train/train_command.h"

namespace md {
namespace {

using nlohmann::json;
using test::fails;

enum class Side : std::uint8_t { left, right };

struct Values {
  bool on = true;
  int count = 3;
  float near_m = 0.1F;
  double rate = 1e-5;
  std::string name = "a b";
  std::vector<double> list = {0.5, 2};
  std::array<double, 2> pair = {0.75, 1};
  Side side = Side::left;

  OptionTable table() {
    OptionTable t;
    t.group("first");
    t.add("on", on, "a switch");
    t.add("count", count, "a count", CLI::Range(0, 9));
    t.add("near", near_m, "a depth, metres", positive());
    t.group("second");
    t.add("rate", rate, "a rate");
    t.add("name", name, "a name");
    t.add("list", list, "numbers");
    t.add("pair", pair, "two numbers");
    t.add_choice<Side>("side", side, {{"left", Side::left}, {"right", Side::right}}, "a side");
    return t;
  }
};

const json kDefaults = {{"on", true},    {"count", 3},       {"near", 0.1},       {"rate", 1e-5},
                        {"name", "a b"}, {"list", {0.5, 2}}, {"pair", {0.75, 1}}, {"side", "left"}};

TEST(OptionTable, GivesJsonWithTheShortestNumbers) {
  Values values;
  EXPECT_EQ(values.table().json(), kDefaults);
  values.near_m = 10;
  EXPECT_EQ(values.table().json()["near"].dump(), "10");
}

TEST(OptionTable, ReadsItsJsonBack) {
  Values values, others;
  others.table().read({{"on", false}, {"near", 2}, {"list", {1}}, {"side", "right"}, {"unknown", 1}});
  EXPECT_FALSE(others.on);
  EXPECT_EQ(others.near_m, 2);
  EXPECT_EQ(others.list, std::vector<double>{1});
  EXPECT_EQ(others.side, Side::right);
  EXPECT_EQ(others.name, values.name);
  EXPECT_TRUE(fails([&] { others.table().read({{"count", "many"}}); }, ErrorKind::bad_data, "config: count: "));
  EXPECT_TRUE(fails([&] { others.table().read({{"side", "up"}}); }, ErrorKind::bad_data, "there is no 'up'"));
}

TEST(OptionTable, TomlGivesTheSameValues) {
  Values values, others;
  values.on = false;
  values.list = {3};
  values.side = Side::right;
  CLI::App app;
  others.table().define(app);
  std::istringstream toml(values.table().toml());
  app.parse_from_stream(toml);
  EXPECT_EQ(others.table().json(), values.table().json()) << values.table().toml();
  EXPECT_EQ(values.table().toml().find("# first\non = false\ncount = 3\n"), 0U) << values.table().toml();
}

TEST(OptionTable, RefusesTextThatWouldNotComeBack) {
  Values values;
  values.name = "a#b";
  EXPECT_TRUE(fails([&] { values.table().toml(); }, ErrorKind::usage, "--name a#b: '#' and line breaks"));
}

TEST(OptionTable, FlagsAreChecked) {
  const auto parse = [](const std::string& words) {
    Values values;
    CLI::App app;
    values.table().define(app);
    app.parse(words);
    return values;
  };
  EXPECT_FALSE(parse("--no-on").on);
  EXPECT_EQ(parse("--pair 1,2").pair, (std::array{1.0, 2.0}));
  EXPECT_EQ(parse("--list 1,2,3").list.size(), 3U);
  EXPECT_EQ(parse("--side right").side, Side::right);
  for (const char* bad : {"--count 10", "--near 0", "--near nan", "--side up", "--pair 1"})
    EXPECT_THROW(parse(bad), CLI::ParseError) << bad;
}

TEST(OptionTable, AnUnknownNameSuggestsTheNearest) {
  Values values;
  EXPECT_EQ(values.table().at("rate").help, "a rate");
  EXPECT_TRUE(fails([&] { values.table().at("rat"); }, ErrorKind::usage, "no option 'rat' (did you mean rate?)"));
}

/// All that a program says of its options; where --help is a page of the first ones, that of --help-all.
std::string whole_help(const std::string& program, std::vector<std::string> words) {
  words.emplace_back("--help-all");
  const test::ToolRun all = test::run_tool(program, words);
  words.back() = "--help";
  return all.code == 0 ? all.out : test::run_tool(program, words).out;
}

/// The help of every option of a program: "--name" and all that stands beside and below it.
std::vector<std::pair<std::string, std::string>> help_of(std::vector<std::string> words) {
  const std::string program = words.front();
  words.erase(words.begin());
  std::istringstream help(whole_help(program, words));
  std::vector<std::pair<std::string, std::string>> options;
  const std::regex begins("^ {2,10}(-[a-z],? *)?(--[a-z0-9-]+)");  // CLI11 2.6 indents long names by 10
  std::smatch found;
  for (std::string line; std::getline(help, line);) {
    if (std::regex_search(line, found, begins)) {
      options.emplace_back(program + " " + found[2].str(), line);
    } else if (!options.empty() && line.starts_with("     ")) {
      options.back().second += line;
    }
  }
  return options;
}

TEST(Help, EveryLineStandsAlone) {
  const std::regex leans(
      "the same(,| for | but | as )|instead:|as above|and towards|ditto|see above|the others? below");
  int seen = 0;
  for (const auto& words : std::vector<std::vector<std::string>>{{"mdtrain"},
                                                                 {"mdtrain", "check-data"},
                                                                 {"mdeval"},
                                                                 {"mdeval", "predict"},
                                                                 {"mdeval", "compare"},
                                                                 {"mdeval", "export"},
                                                                 {"mdsynth"},
                                                                 {"mdbench"}}) {
    for (const auto& [option, text] : help_of(words)) {
      ++seen;
      EXPECT_FALSE(std::regex_search(text, leans)) << option << ": " << text;
      EXPECT_GE(std::count(text.begin(), text.end(), ' '), 8) << option << " says nothing: " << text;
    }
  }
  EXPECT_GE(seen, 100);
}

/// With what it needs: a terminal of 40 lines and 100 columns.
TEST(Help, FitsAScreen) {
  for (const auto& words : std::vector<std::vector<std::string>>{{"mdtrain", "--help"},
                                                                 {"mdeval", "--help"},
                                                                 {"mdeval", "predict", "--help"},
                                                                 {"mdeval", "figure", "--help"}}) {
    std::istringstream help(test::run_tool(words.front(), {words.begin() + 1, words.end()}).out);
    int lines = 0;
    for (std::string line; std::getline(help, line); ++lines) EXPECT_LE(line.size(), 100U) << line;
    EXPECT_GE(lines, 24) << words.front();
    EXPECT_LE(lines, 40) << words.front();
  }
}

TEST(Help, AllHasEveryOption) {
  const std::string all = test::run_tool("mdtrain", {"--help-all"}).out;
  TrainOptions options;
  const OptionTable table = train_table(options);
  for (const OptionRow& row : table.rows()) {
    EXPECT_NE(all.find("--" + row.name), all.npos) << row.name;
    EXPECT_NE(all.find(row.help), all.npos) << row.name;
  }
  EXPECT_NE(all.find("--bad"), all.npos) << "of check-data";
}

/// Of a number the help says what it counts: a unit, or what it is a number, share or factor of.
TEST(Help, NumbersHaveUnits) {
  const std::regex unit(
      "metres|pixels|degrees|seconds|samples|batches|passes|steps|threads|checkpoints|epochs|factor|probability|rate|"
      "lambda|number|units|epsilon|decay");
  TrainOptions options;
  const OptionTable table = train_table(options);
  for (const OptionRow& row : table.rows()) {
    EXPECT_FALSE(row.help.empty()) << row.name;
    if (!row.value().is_number()) continue;
    EXPECT_TRUE(std::regex_search(row.help, unit)) << row.name << ": " << row.help;
  }
}

}  // namespace
}  // namespace md
