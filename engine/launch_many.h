// launch_many(device, slices, body): body(slice, i) for the elements of many tensors, where a launch for each would
// cost a GPU more than its work. A slice is a plain struct of pointers with `i64 count`; body a plain struct with
// `MD_HD void operator()(const Slice&, i64 i) const`. REQUIRES: as of launch().
#pragma once
#include <algorithm>
#include <bit>
#include <vector>

#include "engine/launch.h"

namespace md {

/// Slices as a parameter of a kernel, each with some rows of its grid.
template <class Slice>
struct Many {
  static constexpr std::size_t kBytes = 4000;  // kernel parameters end at 4 KB
  static constexpr int kMost = static_cast<int>(std::bit_floor(kBytes / (sizeof(Slice) + sizeof(int))));
  int count;
  int first_row[kMost];  // of each slice
  Slice slices[kMost];

  /// Which slice a row of the grid belongs to.
  MD_HD int slice_of(i64 row) const {
    int k = 0;
    for (int half = kMost / 2; half > 0; half /= 2) {
      if (k + half < count && row >= first_row[k + half]) k += half;
    }
    return k;
  }
};

/// Calls go(many, rows) for as many slices at once as a launch takes; rows_of(slice) is how many rows one wants.
template <class Slice, class RowsOf, class Go>
void in_groups(const std::vector<Slice>& slices, const RowsOf& rows_of, const Go& go) {
  for (std::size_t begin = 0; begin < slices.size(); begin += Many<Slice>::kMost) {
    Many<Slice> many{};
    many.count = static_cast<int>(std::min<std::size_t>(Many<Slice>::kMost, slices.size() - begin));
    i64 rows = 0;
    for (int k = 0; k < many.count; ++k) {
      many.first_row[k] = static_cast<int>(rows);
      many.slices[k] = slices[begin + static_cast<std::size_t>(k)];
      rows += rows_of(many.slices[k]);
    }
    go(many, rows);
  }
}

constexpr i64 kSliceRow = 1024;  // elements a launch row: slices have no axis of their own here

/// Calls body for the elements of one slice: a CPU's launch.
template <class Slice, class Body>
struct ElementsOfOne {
  Slice slice;
  Body body;
  MD_HD void operator()(i64 row, i64 column) const {
    const i64 i = row * kSliceRow + column;
    if (i < slice.count) body(slice, i);
  }
};

/// Calls body for the elements of several: a GPU's launch.
template <class Slice, class Body>
struct ElementsOfMany {
  Many<Slice> many;
  Body body;
  MD_HD void operator()(i64 row, i64 column) const {
    const int k = many.slice_of(row);
    const i64 i = (row - many.first_row[k]) * kSliceRow + column;
    if (i < many.slices[k].count) body(many.slices[k], i);
  }
};

/// Calls body(slice, i) for i in [0, slice.count) of every slice.
template <class Slice, class Body>
void launch_many(Device device, const std::vector<Slice>& slices, const Body& body) {
  const auto rows_of = [](const Slice& slice) { return (slice.count + kSliceRow - 1) / kSliceRow; };
  if (device.kind == Device::cpu) {
    for (const Slice& slice : slices)
      launch(device, rows_of(slice), kSliceRow, ElementsOfOne<Slice, Body>{slice, body});
    return;
  }
  in_groups(slices, rows_of, [&](const Many<Slice>& many, i64 rows) {
    launch(device, rows, kSliceRow, ElementsOfMany<Slice, Body>{many, body});
  });
}

}  // namespace md
