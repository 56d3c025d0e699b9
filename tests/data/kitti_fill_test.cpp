// KITTI's filling of unknown pixels against its rule, stated pixel by pixel.
#include "data/kitti_fill.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kit/testing.h"

namespace md {
namespace {

using Map = std::vector<std::vector<float>>;

Tensor tensor_of(const Map& rows) {
  std::vector<float> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return Tensor::from_host(values, {i64(rows.size()), i64(rows.front().size())});
}

/// The rule of one row: what a pixel gets from its nearest known neighbours.
std::vector<float> row_rule(const std::vector<float>& row) {
  std::vector<float> filled = row;
  const int width = int(row.size());
  for (int x = 0; x < width; ++x) {
    if (row[std::size_t(x)] > 0) continue;
    int left = x, right = x;
    while (left >= 0 && row[std::size_t(left)] <= 0) --left;
    while (right < width && row[std::size_t(right)] <= 0) ++right;
    float& value = filled[std::size_t(x)];
    if (left >= 0 && right < width) {
      value = std::min(row[std::size_t(left)], row[std::size_t(right)]);
    } else if (left >= 0) {
      value = row[std::size_t(left)];
    } else if (right < width) {
      value = row[std::size_t(right)];
    }
  }
  return filled;
}

/// Then that of the columns: their tops and bottoms.
Map rule(const Map& map) {
  Map rows;
  for (const auto& row : map) rows.push_back(row_rule(row));
  Map filled = rows;
  const int height = int(rows.size());
  for (std::size_t x = 0; x < rows.front().size(); ++x) {
    int first = 0, last = height - 1;
    while (first < height && rows[std::size_t(first)][x] <= 0) ++first;
    while (last >= 0 && rows[std::size_t(last)][x] <= 0) --last;
    for (int y = 0; y < height && first < height; ++y) {
      if (y < first) filled[std::size_t(y)][x] = rows[std::size_t(first)][x];
      if (y > last) filled[std::size_t(y)][x] = rows[std::size_t(last)][x];
    }
  }
  return filled;
}

i64 unknown_in(const Map& map) {
  i64 count = 0;
  for (const auto& row : map) count += std::ranges::count_if(row, [](float d) { return d <= 0; });
  return count;
}

/// Of random size, with holes, empty rows and empty columns; every 10th is all empty.
Map random_map(std::uint64_t seed) {
  const std::vector<float> draw = test::random_tensor({8}, seed, 0.F, 1.F).to_host();
  const std::size_t height = 1 + std::size_t(draw[0] * 9), width = 1 + std::size_t(draw[1] * 9);
  const std::vector<float> depth = test::random_tensor({i64(height * width)}, seed + 10000, 0.1F, 80.F).to_host();
  const std::vector<float> hole = test::random_tensor({i64(height * width)}, seed + 20000, 0.F, 1.F).to_host();
  const std::vector<float> empty = test::random_tensor({i64(height + width)}, seed + 30000, 0.F, 1.F).to_host();
  Map map(height, std::vector<float>(width));
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      const bool known = hole[y * width + x] > draw[2] && empty[y] > 0.3F && empty[height + x] > 0.3F && seed % 10 != 0;
      map[y][x] = known ? depth[y * width + x] : draw[3] < 0.2F ? -1.F : 0.F;
    }
  }
  return map;
}

TEST(KittiFill, FollowsTheRule) {
  i64 filled = 0, left = 0;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    const Map map = random_map(seed), want = rule(map);
    const Tensor got = tensor_of(map);
    const UnknownPixels pixels = fill_unknown(got);
    ASSERT_EQ(got.to_host(), tensor_of(want).to_host()) << "seed " << seed;
    ASSERT_EQ(pixels.left, unknown_in(want)) << "seed " << seed;
    ASSERT_EQ(pixels.filled, unknown_in(map) - unknown_in(want)) << "seed " << seed;
    filled += pixels.filled, left += pixels.left;
  }
  EXPECT_GT(filled, 1000);
  EXPECT_GT(left, 1000);
}

TEST(KittiFill, ByHand) {
  const Tensor map = tensor_of({{0, 0, 0, 0}, {0, 5, 0, 3}, {0, 0, 0, 0}, {7, 0, 0, 0}, {0, 0, 0, 0}});
  const UnknownPixels pixels = fill_unknown(map);
  EXPECT_EQ(map.to_host(), tensor_of({{5, 5, 3, 3}, {5, 5, 3, 3}, {0, 0, 0, 0}, {7, 7, 7, 7}, {7, 7, 7, 7}}).to_host());
  EXPECT_EQ(pixels.filled, 13);
  EXPECT_EQ(pixels.left, 4) << "an empty row between others";
}

TEST(KittiFill, LeavesDenseMapsAlone) {
  const Tensor map = test::random_tensor({6, 9}, 5, 0.001F, 80.F), before = map.clone();
  map.data()[7] = before.data()[7] = std::nanf("");  // wrong, but not unknown
  EXPECT_EQ(fill_unknown(map).filled, 0);
  for (i64 i = 0; i < map.numel(); ++i) {
    if (i != 7) {
      EXPECT_EQ(map.data()[i], before.data()[i]);
    }
  }
  EXPECT_TRUE(std::isnan(map.data()[7]));
}

}  // namespace
}  // namespace md
