// The dialects of list files, one line at a time, and what is inside a root.
#include "data/list_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "data/file_status.h"
#include "engine/check.h"

namespace md {
namespace {

const char* name_of(ListColumn column) {
  switch (column) {
    case ListColumn::skip:
      return "-";
    case ListColumn::time:
      return "TIME";
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

/// The rest of an absolute path below one of the roots; else `column` as it is.
std::string below_root(std::string_view column, const std::vector<std::string>& roots) {
  if (column.starts_with('/')) {
    const std::string normal = std::filesystem::path(column).lexically_normal().string();
    for (const std::string& root : roots) {
      if (normal.starts_with(root + "/")) return normal.substr(root.size() + 1);
    }
  }
  return std::string(column);
}

/// Reads columns into an entry. Each returns what is wrong, "" where nothing is.
class EntryReader {
 public:
  EntryReader(const ListRules& rules, ListEntry& entry) : rules_(rules), entry_(entry) {}

  std::string read(const LineCut& cut) {
    if (cut.columns.size() > cut.layout.size())
      return cat(cut.columns.size(), " columns; wanted are", names_of(cut.layout), " (names with blanks in quotes)");
    entry_.columns = int(cut.columns.size());
    for (std::size_t i = 0; i < cut.columns.size(); ++i) {
      if (std::string wrong = read(cut.layout[i], cut.columns[i]); !wrong.empty()) return wrong;
    }
    return entry_.image.empty() ? cat("no IMAGE; wanted are", names_of(cut.layout)) : "";
  }

 private:
  std::string read(ListColumn what, std::string_view column) {
    switch (what) {
      case ListColumn::skip:
        return "";
      case ListColumn::time:
        return number_of(column) ? "" : cat(shown(column), " is where a time should be");
      case ListColumn::image:
        return read_path(column, rules_.image_roots, entry_.image);
      case ListColumn::depth:
        entry_.depth_listed = true;
        return column == "None" ? "" : read_path(column, rules_.depth_roots, entry_.depth);
      case ListColumn::focal:
        return read_focal_or_dense(column);
    }
    return "";
  }

  /// Relative to the root whatever it begins with, and inside it.
  static std::string read_path(std::string_view column, const std::vector<std::string>& roots, std::string& path) {
    if (number_of(column)) return cat(shown(column), " is where a path should be");
    if (column.find_first_of("\t\r") != column.npos) return "a name with a tab or a carriage return in it";
    std::string relative = below_root(column, roots);
    relative.erase(0, std::min(relative.find_first_not_of('/'), relative.size()));
    const auto normal = std::filesystem::path(relative).lexically_normal();
    if (normal.empty() || normal == ".") return "empty path";
    if (*normal.begin() == "..") return cat("path ", shown(relative), " leaves the data root");
    path = normal.string();
    return "";
  }

  std::string read_focal_or_dense(std::string_view column) {
    const auto focal = number_of(column);
    if (focal && !(std::isfinite(*focal) && *focal > 0)) return cat("focal length ", shown(column), " is not positive");
    if (focal) {
      entry_.focal_px = *focal;
      return "";
    }
    if (column.find('.') == column.npos) return cat("column ", shown(column), " is neither a focal length nor a path");
    return read_path(column, rules_.depth_roots, entry_.dense_depth);
  }

  const ListRules& rules_;
  ListEntry& entry_;
};

/// One line of the list `name`.
class LineParser {
 public:
  LineParser(std::string_view line, const ListRules& rules, const std::string& name, int number)
      : rules_(rules), name_(name), number_(number) {
    if (line.size() > max_list_line_bytes) fail_here(cat(line.size(), " bytes in one line"));
    for (std::size_t i = 0, length = 0; i < line.size(); i += length) {
      const auto c = static_cast<unsigned char>(line[i]);
      if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7F) fail_here("control character in the line");
      length = utf8_length(line.substr(i));
      if (length == 0) fail_here("a name that is not UTF-8");  // no log or table could hold it
    }
    if (!line.starts_with('#')) cuts_ = cuts_of(line, rules.columns);
  }
  bool blank() const { return cuts_.empty(); }

  ListEntry entry() const {
    std::vector<ListEntry> sure, written, guesses;  // as lists are written: one at most
    std::string wrong;
    for (const LineCut& cut : cuts_) {
      ListEntry entry;
      entry.line = number_;
      const std::string why = EntryReader(rules_, entry).read(cut);
      if (&cut == &cuts_.front()) wrong = why;
      if (cut.sure && !why.empty()) fail_here(why);
      if (why.empty()) (cut.sure ? sure : cut.guess ? guesses : written).push_back(std::move(entry));
    }
    if (sure.size() == 1) return sure.front();
    const std::size_t known = sure.size() + written.size();
    sure.insert(sure.end(), written.begin(), written.end());
    sure.insert(sure.end(), guesses.begin(), guesses.end());
    const std::size_t found = sure.size() > 1 || known == 0 ? first_found(sure, known) : 0;
    if (found < sure.size()) return sure[found];
    if (known == 0) fail_here(wrong);
    return sure.front();
  }

 private:
  [[noreturn]] void fail_here(const std::string& why) const {
    fail(ErrorKind::bad_data, name_, ":", number_, ": ", why);
  }

  /// The first whose files are there, or else of the `known` ones at the front whose image is; entries.size(): none.
  std::size_t first_found(const std::vector<ListEntry>& entries, std::size_t known) const {
    std::size_t found = entries.size();
    for (std::size_t i = 0; rules_.is_there && i < entries.size(); ++i) {
      if (!rules_.is_there(ListColumn::image, entries[i].image)) continue;
      const bool written = i < known;
      if (is_there_if_any(entries[i].depth) && (written || is_there_if_any(entries[i].dense_depth))) return i;
      if (written) found = std::min(found, i);
    }
    return found;
  }

  bool is_there_if_any(const std::string& depth) const {
    return depth.empty() || rules_.is_there(ListColumn::depth, depth);
  }

  std::vector<LineCut> cuts_;
  const ListRules& rules_;
  const std::string& name_;
  int number_;
};

}  // namespace

std::vector<ListEntry> parse_list(const std::string& text, const std::string& name, const ListRules& rules) {
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<ListEntry> entries;
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const LineParser parser(rest.substr(0, end), rules, name, line);
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

std::vector<ListEntry> read_list(const std::string& path, const ListRules& rules) {
  const std::filesystem::file_status there = status_of(path);
  if (!std::filesystem::exists(there)) fail(ErrorKind::missing, path, ": no such list");
  if (!std::filesystem::is_regular_file(there)) fail(ErrorKind::bad_data, path, ": not a file");
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (!error && bytes > max_list_bytes) fail(ErrorKind::bad_data, path, ": ", bytes, " bytes are too many for a list");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::missing, path, ": cannot be read");
  return parse_list(std::string(std::istreambuf_iterator<char>(file), {}), path, rules);
}

std::string resolve_inside(const std::string& root, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path base = fs::canonical(root, error);
  if (error) fail(ErrorKind::missing, root, ": no such folder");
  const fs::path inside = fs::path(path).relative_path().lexically_normal();
  const fs::path joined = base / inside;
  if (inside.empty() || *inside.begin() == "..")
    fail(ErrorKind::bad_data, joined.string(), ": leads out of the data root");
  if (!fs::exists(status_of(joined))) fail(ErrorKind::missing, joined.string(), ": no such file");
  return joined.string();
}

}  // namespace md
