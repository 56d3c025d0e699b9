// The dialects of list files, one line at a time, and what is inside a root.
#include "data/list_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

using Columns = std::vector<std::string_view>;

Columns split(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  Columns columns;
  for (auto begin = line.find_first_not_of(blanks); begin != line.npos; begin = line.find_first_not_of(blanks, begin)) {
    const auto end = std::min(line.find_first_of(blanks, begin), line.size());
    columns.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return columns;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// One line of a list; `place` is "file:line".
class LineParser {
 public:
  LineParser(std::string_view line, std::string place) : columns_(split(line)), place_(std::move(place)) {
    for (const char c : line) {
      if (static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\r') fail_here("control character in the line");
    }
  }
  bool blank() const { return columns_.empty(); }

  ListEntry entry() const {
    if (columns_.size() > 3) fail_here(cat(columns_.size(), " columns; wanted are IMAGE DEPTH FOCAL"));
    ListEntry entry;
    entry.image = path(columns_[0]);
    if (columns_.size() > 1 && columns_[1] != "None") entry.depth = path(columns_[1]);
    if (columns_.size() > 2) third_column(entry);
    return entry;
  }

 private:
  [[noreturn]] void fail_here(const std::string& why) const { fail(Exit::bad_data, place_, ": ", why); }

  /// Relative to the root whatever it begins with, and inside it.
  std::string path(std::string_view column) const {
    if (number(column)) fail_here(cat("'", column, "' is where a path should be"));
    column.remove_prefix(std::min(column.find_first_not_of('/'), column.size()));
    const auto normal = std::filesystem::path(column).lexically_normal();
    if (normal.empty() || normal == ".") fail_here("empty path");
    if (*normal.begin() == "..") fail_here(cat("path '", column, "' leaves the data root"));
    return normal.string();
  }

  void third_column(ListEntry& entry) const {
    const auto focal = number(columns_[2]);
    if (focal && !(std::isfinite(*focal) && *focal > 0))
      fail_here(cat("focal length '", columns_[2], "' is not positive"));
    if (focal) {
      entry.focal_px = *focal;
    } else if (columns_[2].find('.') != std::string_view::npos) {  // a file name
      entry.dense_depth = path(columns_[2]);
    } else {
      fail_here(cat("third column '", columns_[2], "' is neither a focal length nor a path"));
    }
  }

  Columns columns_;
  std::string place_;
};

}  // namespace

std::vector<ListEntry> parse_list(const std::string& text, const std::string& name) {
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<ListEntry> entries;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const LineParser parser(rest.substr(0, end), cat(name, ":", line));
    if (!parser.blank()) {
      entries.push_back(parser.entry());
      entries.back().line = line;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (entries.empty()) fail(Exit::bad_data, name, ": the list is empty");
  return entries;
}

std::vector<ListEntry> read_list(const std::string& path) {
  const std::filesystem::file_status there = status_of(path);
  if (!std::filesystem::exists(there)) fail(Exit::missing_input, path, ": no such list");
  if (!std::filesystem::is_regular_file(there)) fail(Exit::bad_data, path, ": not a file");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(Exit::missing_input, path, ": cannot be read");
  return parse_list(std::string(std::istreambuf_iterator<char>(file), {}), path);
}

std::string resolve_inside(const std::string& root, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path base = fs::canonical(root, error);
  if (error) fail(Exit::missing_input, root, ": no such folder");
  const fs::path joined = base / fs::path(path).relative_path();
  const fs::path real = fs::canonical(joined, error);
  if (error) fail(Exit::missing_input, joined.string(), ": no such file");
  const fs::path inside = real.lexically_relative(base);
  if (inside.empty() || *inside.begin() == "..") {
    fail(Exit::bad_data, joined.string(), ": leads out of the data root to ", real.string());
  }
  return real.string();
}

}  // namespace md
