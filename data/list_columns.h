// The ways in which a line of a list may be cut into columns. Published lists are cut at blanks; what people write has
// names with blanks, quotes, tabs, commas, and the time stamps of TUM's associate.py.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace md {

/// What a column of a list holds.
enum class ListColumn : std::uint8_t {
  skip,   // of no interest
  time,   // a number of no interest
  image,  // the only one that every line must have
  depth,  // a file, or `None`
  focal,  // pixels, or the file of a second, dense depth
};
using ListColumns = std::vector<ListColumn>;
inline const ListColumns kUsualColumns = {ListColumn::image, ListColumn::depth, ListColumn::focal};
/// TUM's associate.py: a line of a list of kUsualColumns may have these instead, or depth before image.
inline const ListColumns kAssociation = {ListColumn::time, ListColumn::image, ListColumn::time, ListColumn::depth};

/// A line in columns.
struct LineCut {
  ListColumns layout;                     // what they hold; may have more than the line has
  std::vector<std::string_view> columns;  // without quotes
  bool sure = false;                      // each path ends as files of pictures or depth do, and could not be two
  bool guess = false;                     // to be believed only where its files are there

  bool operator==(const LineCut&) const = default;
};

/// The number that is all of `text`.
std::optional<double> number_of(std::string_view text);

/// The ways to cut `line`, likeliest first. Never empty for a line with anything but blanks in it; the first is the one
/// that lists are written in, and the only one if it is sure. Columns point into `line`.
std::vector<LineCut> cuts_of(std::string_view line, const ListColumns& layout);

}  // namespace md
