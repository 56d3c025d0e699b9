// List files as BTS and NeWCRFs have them, one frame a line, columns divided by spaces or tabs:
//   IMAGE DEPTH FOCAL   |   IMAGE None FOCAL (no ground truth)   |   IMAGE DEPTH DENSE_DEPTH   |   IMAGE DEPTH   |
//   IMAGE
// Paths are relative to the data root; a leading '/' (all BTS training lists) does not change that. CRLF, a byte-order
// mark, blank lines, lines that begin with '#' and a missing final newline are accepted; anything else is an error that
// names file and line. A data set may have other columns (data/datasets.h).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace md {

/// What a column of a list holds.
enum class ListColumn : std::uint8_t {
  skip,   // of no interest
  image,  // the only one that every line must have
  depth,  // a file, or `None`
  focal,  // pixels, or the file of a second, dense depth
};
using ListColumns = std::vector<ListColumn>;
inline const ListColumns kUsualColumns = {ListColumn::image, ListColumn::depth, ListColumn::focal};

/// A line of a list.
struct ListEntry {
  std::string image;        // without a leading '/', never outside the root
  std::string depth;        // empty: no ground truth
  std::string dense_depth;  // third column of NeWCRFs' dense NYU list
  double focal_px = 0;      // 0: the list has none
  int columns = 0;
  bool depth_listed = false;  // there is a column for it, be it `None`
  int line = 0;               // 1-based
};

/// Limits of what is read; longer lists are refused.
inline constexpr std::size_t max_list_bytes = 1 << 26, max_list_line_bytes = 1 << 14, max_list_frames = 1'000'000;

/// Throws ErrorKind::missing (no such list), bad_data (empty, malformed, too long, or a path that leaves the root).
std::vector<ListEntry> read_list(const std::string& path, const ListColumns& = kUsualColumns);
/// The same from memory; `name` stands for the file in messages.
std::vector<ListEntry> parse_list(const std::string& text, const std::string& name, const ListColumns& = kUsualColumns);

/// root/path of an existing file. Throws ErrorKind::missing when it is not there and ErrorKind::bad_data when a
/// symbolic link or ".." takes it out of the root.
std::string resolve_inside(const std::string& root, const std::string& path);

}  // namespace md
