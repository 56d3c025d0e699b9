// The caching pool: freed blocks come back, the system is asked only when no block fits, and threads may share it.
// Labels: threads
#include "engine/pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tests/kit/count_allocations.h"

namespace md {
namespace {

TEST(Pool, SizeClassesWasteAtMostAnEighth) {
  for (std::size_t bytes = 513; bytes < (1U << 22); bytes = bytes * 5 / 4 + 1) {
    const std::size_t size = Pool::class_of(bytes);
    EXPECT_GE(size, bytes);
    EXPECT_LE(static_cast<double>(size), static_cast<double>(bytes) * 1.125 + 64);
    EXPECT_EQ(size % 64, 0U);               // aligned for vectors
    EXPECT_EQ(Pool::class_of(size), size);  // alloc and free agree
  }
}

TEST(Pool, ReusesABlockOfTheSameClass) {
  Pool pool(std::malloc, [](void* p, std::size_t) { std::free(p); });
  void* a = pool.alloc(1000);
  pool.free(a, 1000);
  void* b = pool.alloc(1001);
  EXPECT_EQ(a, b);
  EXPECT_EQ(pool.stats().misses, 1);
  EXPECT_EQ(pool.stats().hits, 1);
  pool.free(b, 1001);
  EXPECT_EQ(pool.stats().bytes_in_use, 0);
  EXPECT_GT(pool.stats().bytes_reserved, 0);
  pool.release();
  EXPECT_EQ(pool.stats().bytes_reserved, 0);
}

TEST(Pool, GivesCachedBlocksBackBeforeItRefuses) {
  std::size_t room = 4096;
  Pool pool(
      [&](std::size_t n) -> void* {
        if (n > room) return nullptr;
        room -= n;
        return std::malloc(n);
      },
      [&](void* p, std::size_t n) {
        room += n;
        std::free(p);
      });
  pool.free(pool.alloc(2048), 2048);
  void* all = pool.alloc(4096);  // fits only once the cached 2048 are back
  try {
    pool.alloc(512);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("out of memory"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("smaller batch"), std::string::npos);
  }
  EXPECT_EQ(pool.stats().bytes_in_use, 4096);
  pool.free(all, 4096);
}

/// Blocks of one size each, taken together and given back: what a network does with an input.
void use(Pool& pool, const std::vector<std::size_t>& sizes) {
  std::vector<void*> blocks;
  for (const std::size_t size : sizes) blocks.push_back(pool.alloc(size));
  for (std::size_t i = 0; i < sizes.size(); ++i) pool.free(blocks[i], sizes[i]);
}

TEST(Pool, GivesBackWhatASmallerInputNoLongerNeeds) {
  Pool pool(std::malloc, [](void* p, std::size_t) { std::free(p); });
  pool.keep_at_most(1 << 16);
  const std::vector<std::size_t> large = {1 << 18, 1 << 19, 1 << 20}, small = {1 << 12, 1 << 13, 1 << 14};
  use(pool, large);
  EXPECT_GE(pool.stats().bytes_reserved, 7 << 18);
  use(pool, small);
  EXPECT_LE(pool.stats().bytes_reserved, 1 << 16);
  EXPECT_EQ(pool.stats().bytes_in_use, 0);
}

TEST(Pool, KeepsWhatFitsItsBoundAndWhatIsNeededAgain) {
  Pool pool(std::malloc, [](void* p, std::size_t) { std::free(p); });
  pool.keep_at_most(1 << 16);
  use(pool, {1 << 12, 1 << 13});
  use(pool, {1 << 14});  // another size, but all of it fits
  const i64 misses = pool.stats().misses;
  for (int round = 0; round < 3; ++round) {
    use(pool, {1 << 12, 1 << 13});
    use(pool, {1 << 14});
  }
  EXPECT_EQ(pool.stats().misses, misses);
  use(pool, {1 << 20});  // larger than the bound alone: kept as long as nothing else is wanted
  const i64 after_large = pool.stats().misses;
  for (int round = 0; round < 3; ++round) use(pool, {1 << 20});
  EXPECT_EQ(pool.stats().misses, after_large) << "equal inputs one after the other ask the system for nothing";
}

TEST(Pool, FreeNeverAllocates) {  // it is noexcept: a failed allocation would end the process
  Pool pool(std::malloc, [](void* p, std::size_t) { std::free(p); });
  std::vector<void*> blocks(100);
  for (int round = 0; round < 2; ++round) {
    for (void*& block : blocks) block = pool.alloc(1000);
    const int before = test::allocations;
    for (void* block : blocks) pool.free(block, 1000);
    EXPECT_EQ(test::allocations, before);
    pool.release();
  }
}

TEST(Pool, ServesManyThreads) {
  Pool pool(std::malloc, [](void* p, std::size_t) { std::free(p); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t bytes = 600 + i % 7 * 300;
        auto* block = static_cast<unsigned char*>(pool.alloc(bytes));
        std::memset(block, t, bytes);
        EXPECT_EQ(block[bytes - 1], t);  // nobody else writes here
        pool.free(block, bytes);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(pool.stats().bytes_in_use, 0);
}

}  // namespace
}  // namespace md
