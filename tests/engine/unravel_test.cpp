// Coordinates are what counting through nested loops gives.
#include "engine/unravel.h"

#include <gtest/gtest.h>

namespace md {
namespace {

TEST(Unravel, CountsTheLastAxisFastest) {
  i64 index = 0;
  for (i64 n = 0; n < 3; ++n) {
    for (i64 y = 0; y < 4; ++y) {
      for (i64 x = 0; x < 5; ++x, ++index) {
        EXPECT_EQ(unravel(index, {3, 4, 5}), (std::array{n, y, x}));
        EXPECT_EQ(unravel(index, {kAnyExtent, 4, 5}), (std::array{n, y, x}));
      }
    }
  }
}

TEST(Unravel, TakesIndicesUpTo32Bits) {
  EXPECT_EQ(unravel(4294967295, {kAnyExtent, 65536}), (std::array<i64, 2>{65535, 65535}));
}

TEST(Unravel, OneAxisIsTheIndex) { EXPECT_EQ(unravel(7, {kAnyExtent}), std::array{i64{7}}); }

}  // namespace
}  // namespace md
