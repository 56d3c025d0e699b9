// Tables on a terminal: columns as wide as what they hold, so that neighbours never touch, whatever the numbers.
#pragma once
#include <string>
#include <vector>

namespace md {

/// How a column of a table looks.
struct TextColumn {
  std::size_t least;  // characters, with the blank towards the column beside; more where a cell needs it
  bool left = false;  // cells begin together, and the blank is behind them; otherwise they end together, and it is in
                      // front
};

/// A line for each row, whose cells stand in these columns; a row may have fewer. Nothing is behind a line's last cell.
std::string text_table(const std::vector<TextColumn>&, const std::vector<std::vector<std::string>>& rows);

/// Four decimals, "1000.1235"; from a billion on the power of ten in place of the digits that a table has no room for,
/// "1.0000e+09". `format_sign`: "+" writes the sign of positive numbers too.
std::string table_number(double, const std::string& format_sign = "");

}  // namespace md
