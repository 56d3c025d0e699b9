// List files, one frame a line. As BTS and NeWCRFs have them, columns divided by blanks:
//   IMAGE DEPTH FOCAL   |   IMAGE None FOCAL (no ground truth)   |   IMAGE DEPTH DENSE_DEPTH   |   IMAGE DEPTH   |
//   IMAGE
// or as TUM's associate.py writes them, TIME IMAGE TIME DEPTH. Divided by tabs or commas, with names in quotes, or with
// blanks in names: then by the endings of files, and where that leaves a choice by which files are there. Paths are
// relative to the data root; a leading '/' (all BTS training lists) does not change that, and the absolute path of the
// root in front of one is taken away. CRLF, a byte-order mark, blank lines, lines that begin with '#' and a missing
// final newline are accepted; anything else is an error that names file and line. A data set may have other columns
// (data/datasets.h).
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "data/list_columns.h"

namespace md {

/// A line of a list.
struct ListEntry {
  std::string image;             // without a leading '/', never outside the root
  std::string depth;             // empty: no ground truth
  std::string dense_depth;       // third column of NeWCRFs' dense NYU list
  double focal_px = 0;           // 0: the list has none
  bool focal_of_camera = false;  // the focal length is a calibration file's, not the list's
  int columns = 0;
  bool depth_listed = false;  // there is a column for it, be it `None`
  int line = 0;               // 1-based
};

/// Limits of what is read; longer lists are refused.
inline constexpr std::size_t max_list_bytes = 1 << 26, max_list_line_bytes = 1 << 14, max_list_frames = 1'000'000;

/// How a list is to be read.
struct ListRules {
  ListColumns columns = kUsualColumns;
  std::vector<std::string> image_roots = {}, depth_roots = {};  // absolute names of the roots, without a last '/'
  /// Whether the root of images or of depth has a file of this name; asked where a line can be read in several ways.
  /// None: what only that could decide is refused.
  std::function<bool(ListColumn, const std::string& path)> is_there = {};
};

/// Throws ErrorKind::missing (no such list), bad_data (empty, malformed, too long, or a path that leaves the root).
std::vector<ListEntry> read_list(const std::string& path, const ListRules& = {});
/// The same from memory; `name` stands for the file in messages.
std::vector<ListEntry> parse_list(const std::string& text, const std::string& name, const ListRules& = {});

/// root/path of an existing file, with the root's links resolved and no others: where the user's own links below the
/// root lead is the user's business. Throws ErrorKind::missing when it is not there and ErrorKind::bad_data when ".."
/// takes the path out of the root.
std::string resolve_inside(const std::string& root, const std::string& path);

}  // namespace md
