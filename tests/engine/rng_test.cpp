// Philox4x32-10: the known answers of its authors (Random123, kat_vectors), and what the draws promise.
#include "engine/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace md {
namespace {

TEST(Philox, KnownAnswers) {
  // Words of the counter: offset low, offset high, stream low, stream high.
  EXPECT_EQ(philox(0, 0, 0), (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~0ULL, ~0ULL, ~0ULL),
            (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822ULL, 0x0370734413198a2eULL, 0x85a308d3243f6a88ULL),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, StreamsAreReproducibleAndDistinct) {
  std::set<std::uint32_t> first;
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    for (std::uint64_t index = 0; index < 4; ++index) {
      Rng a(7, Purpose::augment, epoch, index), b(7, Purpose::augment, epoch, index);
      const std::uint32_t bits = a.bits();
      EXPECT_EQ(bits, b.bits());
      first.insert(bits);
    }
  }
  first.insert(Rng(8, Purpose::augment).bits());
  first.insert(Rng(7, Purpose::shuffle).bits());
  EXPECT_EQ(first.size(), 18U);
  Rng(0, Purpose::augment, Rng::kMostA, Rng::kMostB);
  EXPECT_THROW(Rng(0, Purpose::augment, Rng::kMostA + 1), Error);
  EXPECT_THROW(Rng(0, Purpose::augment, 0, Rng::kMostB + 1), Error);
}

TEST(Rng, FillsAreTheSameDrawsOneAfterTheOther) {
  Rng whole(5, Purpose::test), single(5, Purpose::test);
  std::vector<float> uniform(50'001), normal(50'003);
  whole.bits();  // the draws begin in the middle of a block of words
  single.bits();
  whole.uniform(uniform, -2, 3);
  whole.normal(normal, 0.5);
  for (const float u : uniform) ASSERT_EQ(u, float(single.uniform(-2, 3)));
  for (const float z : normal) ASSERT_EQ(z, float(0.5 * single.normal()));
  EXPECT_EQ(whole.bits(), single.bits());
}

TEST(Rng, IntegersCoverBothEndsEvenly) {
  Rng rng(1, Purpose::test);
  std::array<int, 5> count{};
  for (int i = 0; i < 50000; ++i) ++count[static_cast<std::size_t>(rng.integer(-2, 2) + 2)];
  // 10000 each, standard deviation 89: six of them.
  for (int c : count) EXPECT_NEAR(c, 10000, 540);
  EXPECT_EQ(rng.integer(3, 3), 3);
  EXPECT_THROW(rng.integer(1, 0), Error);
}

TEST(Rng, MomentsOfUniformAndNormal) {
  Rng rng(2, Purpose::test);
  constexpr int n = 100000;
  double u1 = 0, u2 = 0, n1 = 0, n2 = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(), z = rng.normal();
    ASSERT_TRUE(u >= 0 && u < 1);
    u1 += u / n, u2 += u * u / n, n1 += z / n, n2 += z * z / n;
  }
  // Five standard errors of each.
  EXPECT_NEAR(u1, 0.5, 0.0046);
  EXPECT_NEAR(u2 - u1 * u1, 1.0 / 12, 0.0012);
  EXPECT_NEAR(n1, 0, 0.016);
  EXPECT_NEAR(n2, 1, 0.023);
}

}  // namespace
}  // namespace md
