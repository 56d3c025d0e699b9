// Counts: every op of layers/ops.h, both losses and Adam belong to a lesson, the lessons are fourteen in order, each
// has its eight parts under their headings, names the one before it, and stands in the list of tests/layers/README.md.
// What is in the parts each lesson's own program holds (lesson.cpp).
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/kit/lesson_parts.h"
#include "tests/kit/testing.h"

namespace md::test {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(source_dir() + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Head {
  std::string file, name, before;
  std::set<std::string> ops;
  std::string text;
};

/// Every lesson by its number.
std::map<int, Head> lessons() {
  std::map<int, Head> found;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() + "/tests/lessons")) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".h")) continue;
    Head head{file, "", "", {}, text_of("tests/lessons/" + file)};
    std::smatch match;
    const std::string first =
        std::regex_replace(head.text.substr(0, head.text.find("\n//\n")), std::regex("\n// "), " ");
    const std::regex form(R"(^// Lesson (\d+): (.+?) (After lesson (\d+), .+?|The first lesson)\. Ops: (.+)\.$)");
    EXPECT_TRUE(std::regex_match(first, match, form)) << file << " begins with: " << first;
    if (match.empty()) continue;
    head.name = match[2];
    head.before = match[4];
    const std::string ops = match[5];
    const std::regex word(R"(\w+)");
    for (std::sregex_iterator at(ops.begin(), ops.end(), word), end; at != end; ++at) head.ops.insert(at->str());
    EXPECT_TRUE(found.emplace(std::stoi(match[1]), head).second) << file << ": the number of another lesson";
  }
  return found;
}

/// What a header declares that gives a Tensor, where the comment above does not say "Not differentiable".
std::set<std::string> declared_in(const std::string& header) {
  std::set<std::string> names;
  std::istringstream lines(text_of(header));
  const std::regex declaration(R"(^Tensor (\w+)\()");
  std::smatch match;
  for (std::string line, above; std::getline(lines, line); above = line) {
    if (above.find("Not differentiable") != std::string::npos) continue;
    if (std::regex_search(line, match, declaration)) names.insert(match[1]);
  }
  return names;
}

TEST(Syllabus, EveryOpBelongsToOneLesson) {
  std::map<std::string, int> lesson_of;
  for (const auto& [number, head] : lessons()) {
    for (const std::string& op : head.ops) {
      const bool first = lesson_of.emplace(op, number).second;
      EXPECT_TRUE(first) << op << " is in lessons " << lesson_of[op] << " and " << number;
    }
  }
  std::set<std::string> wanted = declared_in("layers/ops.h");
  wanted.merge(declared_in("losses/silog.h"));
  wanted.merge(declared_in("losses/metric_depth.h"));
  EXPECT_GE(wanted.size(), 42U);  // else the pattern no longer fits the headers
  wanted.insert("Adam");
  for (const std::string& op : wanted) EXPECT_TRUE(lesson_of.contains(op)) << op << " is in no lesson";
  for (const auto& [op, number] : lesson_of)
    EXPECT_TRUE(wanted.contains(op)) << op << ", of lesson " << number << ", is no op";
}

TEST(Syllabus, LessonsFollowEachOtherAndHaveEightParts) {
  int expected = 0;
  for (const auto& [number, head] : lessons()) {
    EXPECT_EQ(number, ++expected);
    EXPECT_EQ(head.before, number == 1 ? "" : std::to_string(number - 1)) << head.file;
    EXPECT_EQ(head.file.substr(0, 3), cat(number < 10 ? "0" : "", number, "_"));
    std::size_t at = 0;
    for (int part = 1; part <= 8; ++part) {
      const std::size_t next = head.text.find(cat("\n// ", part, ". ", kPartNames[part - 1], "\n//\n"), at);
      EXPECT_NE(next, std::string::npos) << head.file << " has no part " << part << " behind the one before it";
      at = next == std::string::npos ? at : next + 1;
    }
    for (const char* wanted : {"\n// Exercise. ", "// blank: ", "// blank numbers: "}) {
      EXPECT_NE(head.text.find(wanted), std::string::npos) << head.file << " has no " << wanted;
    }
  }
  EXPECT_EQ(expected, 14);
}

TEST(Syllabus, TheListNamesEveryLessonWithItsOps) {
  const std::string list = text_of("tests/layers/README.md");
  for (const auto& [number, head] : lessons()) {
    const std::size_t row = list.find(cat("| ", number, " | ["));
    ASSERT_NE(row, std::string::npos) << number;
    const std::string line = list.substr(row, list.find('\n', row) - row);
    EXPECT_NE(line.find("(../lessons/" + head.file + ")"), std::string::npos) << line;
    for (const std::string& op : head.ops)
      EXPECT_NE(line.find("`" + op + "`"), std::string::npos) << op << ": " << line;
  }
}

}  // namespace
}  // namespace md::test
