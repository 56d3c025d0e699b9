// What a cache forgets, and that the libraries' primitives are kept in one: images of ever new sizes do not fill
// memory.
#include "engine/lru_cache.h"

#include <string>

#include "engine/cpu/conv_dnnl.h"
#include "tests/kit/testing.h"

namespace md {
namespace {

TEST(LruCache, ForgetsWhatWasUsedLongestAgo) {
  LruCache<int, std::string> cache(2);
  int made = 0;
  const auto find = [&](int key) {
    return cache.find_or_make(key, [&] { return cat(key, " made as number ", ++made); });
  };
  find(1);
  find(2);
  EXPECT_EQ(find(1), "1 made as number 1");
  EXPECT_EQ(find(3), "3 made as number 3") << "2 goes";
  EXPECT_EQ(find(1), "1 made as number 1");
  EXPECT_EQ(find(2), "2 made as number 4") << "3 goes";
  EXPECT_EQ(find(3), "3 made as number 5");
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.made(), 5U);
}

TEST(LruCache, StaysAsItWasIfMakingFails) {
  LruCache<int, int> cache(1);
  EXPECT_TRUE(!cache.full());
  cache.find_or_make(1, [] { return 10; });
  EXPECT_TRUE(cache.full());
  EXPECT_THROW(cache.find_or_make(2, []() -> int { fail(ErrorKind::contract, "none"); }), Error);
  EXPECT_EQ(cache.find_or_make(1, [] { return 11; }), 10);
  EXPECT_EQ(cache.made(), 1U);
}

TEST(LruCache, BetweenPiecesOfWorkKeepsWhatTheLastOneUsed) {
  LruCache<int, int> cache(100);
  const auto use = [&](std::initializer_list<int> keys) {
    for (const int key : keys) cache.find_or_make(key, [key] { return key; });
  };
  use({1, 2, 3, 4});
  EXPECT_FALSE(cache.keep_at_most(2)) << "all were used";
  use({2, 5});
  EXPECT_TRUE(cache.keep_at_most(3)) << "1 and 3 were used longest ago";
  EXPECT_EQ(cache.size(), 3U);
  use({2, 4, 5});
  EXPECT_EQ(cache.made(), 5U) << "these are there";
  use({6});
  EXPECT_FALSE(cache.keep_at_most(0)) << "one more than before, and the work used every one";
  EXPECT_TRUE(cache.keep_at_most(1)) << "nothing was used since";
  EXPECT_EQ(cache.size(), 1U);
  use({6});
  EXPECT_EQ(cache.made(), 6U) << "the last one used stays longest";
}

TEST(LruCache, BetweenPiecesOfWorkTheBackendLetsGoOfOldSizes) {
  Backend& cpu = backend({});
  const Tensor w = test::random_tensor({8, 3, 3, 5}, 1);
  const auto convolve = [&](i64 height) {
    const Tensor x = test::random_tensor({1, height, 6, 5}, 2);
    cpu.conv2d({.pad = 1}, x, w, {}, Tensor::empty({1, height, 6, 8}));
  };
  const auto created_by = [&](i64 height) {
    const i64 before = cpu.primitives_created();
    convolve(height);
    return cpu.primitives_created() - before;
  };
  for (i64 height = 3; height < 303; ++height) {
    convolve(height);
    cpu.keep_cached_at_most(0);
  }
  EXPECT_EQ(created_by(302), 0) << "the last one is still there";
  EXPECT_EQ(created_by(250), 0) << "one of shortly before, too";
  EXPECT_GT(created_by(3), 0) << "one of long ago is made anew";
}

TEST(LruCache, BoundsThePrimitivesOfManyImageSizes) {
  const auto primitives = make_conv_primitives(4);
  const Tensor w = test::random_tensor({8, 3, 3, 5}, 1);
  const auto convolve = [&](i64 height) {
    const Conv2dSpec spec{.pad = 1};
    const Tensor x = test::random_tensor({1, height, 6, 5}, std::uint64_t(height));
    const Tensor y = Tensor::empty({1, height, 6, 8}), want = Tensor::empty(y.shape());
    primitives->forward(spec, x, w, {}, y);
    backend({}).conv2d(spec, x, w, {}, want);
    EXPECT_EQ(y.to_host(), want.to_host()) << height;
  };
  for (i64 height = 3; height < 23; ++height) convolve(height);
  EXPECT_EQ(primitives->kept(), 4);
  const i64 created = primitives->created();
  EXPECT_GE(created, 20);
  convolve(22);
  EXPECT_EQ(primitives->created(), created) << "the last one is still there";
  convolve(3);
  EXPECT_GT(primitives->created(), created) << "the first one is made anew";
}

}  // namespace
}  // namespace md
