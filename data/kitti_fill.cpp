// After its first pass a row is known from end to end, or not at all.
#include "data/kitti_fill.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "engine/check.h"

namespace md {
namespace {

/// False: nothing in it is known.
bool fill_row(std::span<float> row) {
  const auto first = std::ranges::find_if_not(row, is_unknown);
  if (first == row.end()) return false;
  std::fill(row.begin(), first, *first);
  for (auto left = first; left != row.end();) {
    const auto right = std::find_if_not(std::next(left), row.end(), is_unknown);
    std::fill(std::next(left), right, right == row.end() ? *left : std::min(*left, *right));
    left = right;
  }
  return true;
}

}  // namespace

UnknownPixels fill_unknown(const Tensor& depth_m) {
  MD_CHECK(depth_m.shape().rank() == 2, "fill_unknown: ", depth_m.shape(), " is no map");
  const i64 height = depth_m.dim(0), width = depth_m.dim(1);
  const auto row = [&](i64 y) { return std::span(depth_m.data() + y * width, std::size_t(width)); };
  const std::span<float> all(depth_m.data(), std::size_t(height * width));
  const i64 before = std::ranges::count_if(all, is_unknown);
  if (before == 0) return {};
  std::optional<i64> first, last;  // rows with depth
  for (i64 y = 0; y < height; ++y) {
    if (!fill_row(row(y))) continue;
    if (!first) first = y;
    last = y;
  }
  for (i64 y = 0; first && y < *first; ++y) std::ranges::copy(row(*first), row(y).begin());
  for (i64 y = last.value_or(height) + 1; y < height; ++y) std::ranges::copy(row(*last), row(y).begin());
  const i64 left = std::ranges::count_if(all, is_unknown);
  return {before - left, left};
}

}  // namespace md
