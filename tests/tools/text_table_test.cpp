// Tables: neighbours never touch, and what fits the usual widths looks as it always did.
#include "tools/cli/text_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "tools/eval/results.h"

namespace md::test {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(text_table({{.least = 4, .left = true}, {.least = 6}, {.least = 3}},
                       {{"a", "1", "x"}, {"bcdef", "1234567"}, {}, {"g", "22", "yyyy"}}),
            "a            1    x\n"
            "bcdef  1234567\n"
            "\n"
            "g           22 yyyy\n");
  EXPECT_EQ(text_table({{.least = 9}, {.least = 9}}, {{"AbsRel", "RMSE"}, {"0.1234", "999.1234"}}),
            "   AbsRel     RMSE\n   0.1234 999.1234\n");
}

TEST(TextTable, NumbersOfAnySize) {
  EXPECT_EQ(table_number(0.12345), "0.1235");
  EXPECT_EQ(table_number(5073.8), "5073.8000");
  EXPECT_EQ(table_number(-123456.7, "+"), "-123456.7000");
  EXPECT_EQ(table_number(0.5, "+"), "+0.5000");
  EXPECT_EQ(table_number(1e9), "1.0000e+09");
  EXPECT_EQ(table_number(-2.5e300), "-2.5000e+300");
  EXPECT_EQ(table_number(std::numeric_limits<double>::infinity()), "inf");
}

/// Measures of `scale` in every column, as mdtrain and mdeval print them.
TEST(TextTable, ResultsNeverTouch) {
  for (const double scale : {1.0, 645.0738, 1e3, 123456.789, 1e8, 3e12, 1e300}) {
    Results results{.method = "net", .protocol = named_protocol("plain", "kitti")};
    for (const MetricField& field : metric_fields) {
      results.evaluation.mean.*field.value = scale;
      results.intervals.low.*field.value = scale / 3;
      results.intervals.high.*field.value = -7 * scale;
    }
    const std::size_t columns = table_columns(results.protocol).size();
    const std::vector<std::string> lines = lines_of(metric_table(results));
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(words_of(lines[0]).size(), columns) << lines[0];
    EXPECT_EQ(words_of(lines[1]), std::vector(columns, table_number(scale))) << lines[1];
    EXPECT_EQ(words_of(lines[2])[columns], "from:") << lines[2];
    EXPECT_EQ(words_of(lines[3])[columns - 1], table_number(-7 * scale)) << lines[3];
    EXPECT_EQ(lines[0].size(), lines[1].size()) << "titles end where the numbers do";
  }
}

}  // namespace
}  // namespace md::test
