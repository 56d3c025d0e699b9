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

const char* name_of(ListColumn column) {
  switch (column) {
    case ListColumn::skip:
      return "-";
    case ListColumn::image:
      return "IMAGE";
    case ListColumn::depth:
      return "DEPTH";
    case ListColumn::focal:
      return "FOCAL";
  }
  return "?";
}

std::string names_of(const ListColumns& columns) {
  std::string names;
  for (const ListColumn column : columns) names += cat(" ", name_of(column));
  return names;
}

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

/// How many bytes the UTF-8 character at the beginning of `text` has; 0: it is none (RFC 3629, table in section 4).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0), second = byte(1);
  if ((first >= 0x80 && first < 0xC2) || first > 0xF4) return 0;
  const std::size_t length = 1U + (first >= 0x80) + (first >= 0xE0) + (first >= 0xF0);
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || no_character ? 0 : length;
}

/// As much of a column as a message has room for.
std::string shown(std::string_view column) {
  return cat("'", column.substr(0, 200), column.size() > 200 ? "...'" : "'");
}

/// One line of the list `name`.
class LineParser {
 public:
  LineParser(std::string_view line, const ListColumns& layout, const std::string& name, int number)
      : layout_(layout), name_(name), number_(number) {
    if (line.size() > max_list_line_bytes) fail_here(cat(line.size(), " bytes in one line"));
    for (std::size_t i = 0, length = 0; i < line.size(); i += length) {
      const auto c = static_cast<unsigned char>(line[i]);
      if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7F) fail_here("control character in the line");
      length = utf8_length(line.substr(i));
      if (length == 0) fail_here("a name that is not UTF-8");  // no log or table could hold it
    }
    if (!line.starts_with('#')) columns_ = split(line);
  }
  bool blank() const { return columns_.empty(); }

  ListEntry entry() const {
    if (columns_.size() > layout_.size()) fail_here(cat(columns_.size(), " columns; wanted are", names_of(layout_)));
    ListEntry entry;
    entry.line = number_;
    entry.columns = int(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) read_column(layout_[i], columns_[i], entry);
    if (entry.image.empty()) fail_here(cat("no IMAGE; wanted are", names_of(layout_)));
    return entry;
  }

 private:
  [[noreturn]] void fail_here(const std::string& why) const {
    fail(ErrorKind::bad_data, name_, ":", number_, ": ", why);
  }

  /// Relative to the root whatever it begins with, and inside it.
  std::string path(std::string_view column) const {
    if (number(column)) fail_here(cat(shown(column), " is where a path should be"));
    column.remove_prefix(std::min(column.find_first_not_of('/'), column.size()));
    const auto normal = std::filesystem::path(column).lexically_normal();
    if (normal.empty() || normal == ".") fail_here("empty path");
    if (*normal.begin() == "..") fail_here(cat("path ", shown(column), " leaves the data root"));
    return normal.string();
  }

  void read_column(ListColumn what, std::string_view column, ListEntry& entry) const {
    if (what == ListColumn::image) entry.image = path(column);
    if (what == ListColumn::depth) {
      entry.depth_listed = true;
      if (column != "None") entry.depth = path(column);
    }
    if (what == ListColumn::focal) read_focal_or_dense(column, entry);
  }

  void read_focal_or_dense(std::string_view column, ListEntry& entry) const {
    const auto focal = number(column);
    if (focal && !(std::isfinite(*focal) && *focal > 0))
      fail_here(cat("focal length ", shown(column), " is not positive"));
    if (focal) {
      entry.focal_px = *focal;
    } else if (column.find('.') != std::string_view::npos) {  // a file name
      entry.dense_depth = path(column);
    } else {
      fail_here(cat("column ", shown(column), " is neither a focal length nor a path"));
    }
  }

  Columns columns_;
  const ListColumns& layout_;
  const std::string& name_;
  int number_;
};

}  // namespace

std::vector<ListEntry> parse_list(const std::string& text, const std::string& name, const ListColumns& columns) {
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<ListEntry> entries;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const LineParser parser(rest.substr(0, end), columns, name, line);
    if (!parser.blank()) {
      if (entries.size() == max_list_frames)
        fail(ErrorKind::bad_data, name, ": more than ", max_list_frames, " frames");
      entries.push_back(parser.entry());
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (entries.empty()) fail(ErrorKind::bad_data, name, ": the list is empty");
  return entries;
}

std::vector<ListEntry> read_list(const std::string& path, const ListColumns& columns) {
  const std::filesystem::file_status there = status_of(path);
  if (!std::filesystem::exists(there)) fail(ErrorKind::missing, path, ": no such list");
  if (!std::filesystem::is_regular_file(there)) fail(ErrorKind::bad_data, path, ": not a file");
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (!error && bytes > max_list_bytes) fail(ErrorKind::bad_data, path, ": ", bytes, " bytes are too many for a list");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::missing, path, ": cannot be read");
  return parse_list(std::string(std::istreambuf_iterator<char>(file), {}), path, columns);
}

std::string resolve_inside(const std::string& root, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path base = fs::canonical(root, error);
  if (error) fail(ErrorKind::missing, root, ": no such folder");
  const fs::path joined = base / fs::path(path).relative_path();
  const fs::path real = fs::canonical(joined, error);
  if (error) fail(ErrorKind::missing, joined.string(), ": no such file");
  const fs::path inside = real.lexically_relative(base);
  if (inside.empty() || *inside.begin() == "..") {
    fail(ErrorKind::bad_data, joined.string(), ": leads out of the data root to ", real.string());
  }
  return real.string();
}

}  // namespace md
