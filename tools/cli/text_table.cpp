// First the widths, then the lines.
#include "tools/cli/text_table.h"

#include <algorithm>
#include <cmath>

#include "engine/check.h"
#include "engine/printed.h"

namespace md {

std::string text_table(const std::vector<TextColumn>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const TextColumn& column : columns) widths.push_back(column.least);
  for (const auto& row : rows) {
    MD_CHECK(row.size() <= columns.size(), "table: ", row.size(), " cells in ", columns.size(), " columns");
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 1);
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      const std::string blanks(widths[i] - row[i].size(), ' ');
      text += columns[i].left ? row[i] + (last ? "" : blanks) : blanks + row[i];
    }
    text += '\n';
  }
  return text;
}

std::string table_number(double value, const std::string& format_sign) {
  constexpr double kMostInFull = 1e9;
  const bool in_full = !(std::abs(value) >= kMostInFull);
  return printed(("%" + format_sign + (in_full ? ".4f" : ".4e")).c_str(), value);
}

}  // namespace md
