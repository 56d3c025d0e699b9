// The caching pool: freed blocks come back, the system is asked only when no block fits, and threads may share it.
// Labels: threads
#include "engine/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>

#include "tests/kit/count_allocations.h"

namespace md {
namespace {

/// Memory of the C library, in the pieces that it was asked for.
Pool from_malloc() {
  return Pool({.take = std::malloc, .give = [](void* p, std::size_t) { std::free(p); }});
}

/// A system whose pieces lie side by side, from which every page can be given back. It knows what it has lent.
class Pages {
 public:
  static constexpr std::size_t kPage = 4096;
  explicit Pages(std::size_t pages) : lent_(pages), memory_((pages + 1) * kPage) {}
  Pool pool(bool divisible = true) {
    return Pool({.take = [this](std::size_t n) { return take(n / kPage); },
                 .give = [this](void* p, std::size_t n) { give(p, n / kPage); },
                 .unit = kPage,
                 .divisible = divisible});
  }
  i64 lent() const { return std::count(lent_.begin(), lent_.end(), true); }

 private:
  std::byte* page(std::size_t k) {
    const std::size_t head = reinterpret_cast<std::uintptr_t>(memory_.data()) % kPage;
    return memory_.data() + (kPage - head) + k * kPage;
  }
  void* take(std::size_t pages) {
    if (next_ + pages > lent_.size()) return nullptr;
    for (std::size_t k = 0; k < pages; ++k) lent_[next_ + k] = true;
    next_ += pages;
    return page(next_ - pages);
  }
  void give(void* at, std::size_t pages) {
    for (std::size_t k = 0; k < lent_.size(); ++k) {
      if (page(k) < at || page(k) >= static_cast<std::byte*>(at) + pages * kPage) continue;
      EXPECT_TRUE(lent_[k]) << "page " << k << " is given back twice";
      lent_[k] = false;
    }
  }
  std::vector<bool> lent_;
  std::size_t next_ = 0;
  std::vector<std::byte> memory_;
};

/// Requests that fill whole pages, whatever stands behind a block.
std::size_t pages(std::size_t n) { return n * Pages::kPage - 64; }

TEST(Pool, TakesTheFirstRangeThatFitsAndLeavesTheRest) {
  Pages system(100);
  Pool pool = system.pool();
  void* const small = pool.alloc(pages(4));
  pool.alloc(pages(1));
  void* const large = pool.alloc(pages(8));
  pool.alloc(pages(1));
  pool.free(large, pages(8));
  pool.free(small, pages(4));
  EXPECT_EQ(pool.alloc(pages(3)), small);
  EXPECT_EQ(pool.alloc(pages(5)), large);
  EXPECT_EQ(pool.alloc(pages(1)), static_cast<std::byte*>(small) + 3 * Pages::kPage) << "the rest";
  EXPECT_EQ(pool.stats().misses, 4);
  EXPECT_EQ(pool.stats().hits, 3);
  EXPECT_EQ(system.lent(), 14);
}

TEST(Pool, SmallRequestsShareAPage) {
  Pages system(1);
  Pool pool = system.pool();
  for (int i = 0; i < 4; ++i) pool.alloc(800);
  EXPECT_EQ(pool.stats().misses, 1);
  EXPECT_EQ(pool.stats().bytes_in_use, 4096);
}

TEST(Pool, FreeNeighboursAreOneWhicheverOrderTheyComeIn) {
  std::vector<int> order = {0, 1, 2, 3};
  do {
    Pages system(100);
    Pool pool = system.pool();
    std::vector<void*> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(pool.alloc(pages(2)));
    for (const int i : order) pool.free(blocks[std::size_t(i)], pages(2));
    EXPECT_EQ(pool.alloc(pages(8)), blocks[0]);
    EXPECT_EQ(system.lent(), 8);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Pool, TheFreeEndOfMemoryCountsWhenItGrows) {
  Pages system(100);
  Pool pool = system.pool();
  void* const first = pool.alloc(pages(1));
  void* const end = pool.alloc(pages(6));
  pool.free(end, pages(6));
  EXPECT_EQ(pool.alloc(pages(10)), end);
  EXPECT_EQ(system.lent(), 11) << "4 more";
  pool.free(first, pages(1));
}

TEST(Pool, PiecesThatGoBackWholeAreNotJoined) {
  Pages system(100);
  Pool pool = system.pool(false);
  void* const a = pool.alloc(pages(2));
  void* const b = pool.alloc(pages(2));
  pool.free(a, pages(2));
  pool.free(b, pages(2));
  void* const wide = pool.alloc(pages(4));
  EXPECT_EQ(pool.stats().misses, 3);
  void* const half = pool.alloc(pages(1));
  EXPECT_EQ(half, a);
  pool.release();
  EXPECT_EQ(system.lent(), 2 + 4) << "the piece whose half is lent stays";
  pool.free(half, pages(1));
  pool.free(wide, pages(4));
  pool.release();
  EXPECT_EQ(system.lent(), 0);
}

TEST(Pool, BlocksNeverOverlap) {
  Pages system(4000);
  Pool pool = system.pool();
  struct Block {
    unsigned char* at;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  const auto intact = [](const Block& b) {
    return std::all_of(b.at, b.at + b.bytes, [&](unsigned char c) { return c == b.mark; });
  };
  std::uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525U + 1013904223U;
    if (blocks.size() > 40 || (random >> 16) % 5 < 2) {
      if (blocks.empty()) continue;
      const std::size_t k = (random >> 8) % blocks.size();
      ASSERT_TRUE(intact(blocks[k]));
      pool.free(blocks[k].at, blocks[k].bytes);
      blocks.erase(blocks.begin() + std::ptrdiff_t(k));
    } else {
      const std::size_t bytes = (random >> 10) % 60000;
      auto* const at = static_cast<unsigned char*>(pool.alloc(bytes));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0U);
      blocks.push_back({at, bytes, static_cast<unsigned char>(i)});
      std::memset(at, blocks.back().mark, bytes);
    }
    if (i % 500 == 0) pool.keep_at_most(100000);
  }
  for (const Block& b : blocks) {
    EXPECT_TRUE(intact(b));
    pool.free(b.at, b.bytes);
  }
  EXPECT_EQ(pool.stats().bytes_in_use, 0);
  EXPECT_EQ(pool.stats().bytes_reserved, system.lent() * i64(Pages::kPage));
  pool.release();
  EXPECT_EQ(pool.stats().bytes_reserved, 0);
  EXPECT_EQ(system.lent(), 0);
}

TEST(Pool, GivesCachedBlocksBackBeforeItRefuses) {
  std::size_t room = 4 * Pages::kPage;
  Pool pool({.take = [&](std::size_t n) -> void* {
               if (n > room) return nullptr;
               room -= n;
               return std::malloc(n);
             },
             .give =
                 [&](void* p, std::size_t n) {
                   room += n;
                   std::free(p);
                 }});
  pool.free(pool.alloc(pages(2)), pages(2));
  void* all = pool.alloc(pages(4));  // fits only once the cached pages are back
  try {
    pool.alloc(512);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("out of memory"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("smaller batch"), std::string::npos);
  }
  EXPECT_EQ(pool.stats().bytes_in_use, 4 * i64(Pages::kPage));
  pool.free(all, pages(4));
}

/// Blocks of one size each, taken together and given back: what a network does with an input.
void use(Pool& pool, const std::vector<std::size_t>& sizes) {
  std::vector<void*> blocks;
  for (const std::size_t size : sizes) blocks.push_back(pool.alloc(size));
  for (std::size_t i = 0; i < sizes.size(); ++i) pool.free(blocks[i], sizes[i]);
}

TEST(Pool, GivesBackWhatASmallerInputNoLongerNeeds) {
  const std::vector<std::size_t> large = {1 << 18, 1 << 19, 1 << 20}, small = {1 << 12, 1 << 13, 1 << 14};
  const auto expect_it = [&](Pool& pool) {
    use(pool, large);
    pool.keep_at_most(1 << 16);
    EXPECT_GE(pool.stats().bytes_reserved, 7 << 18) << "the next input may be as large";
    use(pool, small);
    pool.keep_at_most(1 << 16);
    EXPECT_LE(pool.stats().bytes_reserved, 1 << 16);
    EXPECT_EQ(pool.stats().bytes_in_use, 0);
  };
  Pages system(1000);
  Pool pool = system.pool(), of_whole_pieces = from_malloc();
  expect_it(pool);
  expect_it(of_whole_pieces);
}

TEST(Pool, KeepsWhatIsInUseAndWhatTheBoundAllows) {
  Pages system(1000);
  Pool pool = system.pool();
  void* const low = pool.alloc(pages(3));
  void* const hole = pool.alloc(pages(20));
  void* const high = pool.alloc(pages(2));
  pool.free(hole, pages(20));
  pool.keep_at_most(0);
  pool.keep_at_most(4 * Pages::kPage);
  EXPECT_EQ(system.lent(), 3 + 4 + 2);
  EXPECT_EQ(pool.stats().bytes_reserved, 9 * i64(Pages::kPage));
  std::memset(high, 1, pages(2));
  EXPECT_EQ(pool.alloc(pages(4)), hole);
  pool.free(high, pages(2));
  pool.free(low, pages(3));
  pool.free(hole, pages(4));
}

TEST(Pool, EqualInputsAskTheSystemForNothing) {
  Pool pool = from_malloc();
  for (int round = 0; round < 4; ++round) {
    use(pool, {1 << 12, 1 << 13, 1 << 20});
    pool.keep_at_most(1 << 16);
    if (round == 0) continue;
    EXPECT_EQ(pool.stats().misses, 3);
  }
}

/// For work that uses again, without asking, what it was handed out.
TEST(Pool, NobodyGetsWhatIsSetAside) {
  Pages system(100);
  Pool pool = system.pool();
  void* const before = pool.alloc(pages(3));  // not watched
  pool.free(before, pages(3));
  void* const owned = pool.alloc(pages(1));
  pool.watch();
  void *const first = pool.alloc(pages(2)), *const second = pool.alloc(pages(8)), *const stays = pool.alloc(pages(1));
  pool.free(second, pages(8));
  void* const within = pool.alloc(pages(2));
  pool.free(within, pages(2));
  pool.free(first, pages(2));
  const i64 in_use = pool.stats().bytes_in_use;
  const Pool::Aside* const aside = pool.set_aside();
  EXPECT_EQ(first, static_cast<std::byte*>(owned) + Pages::kPage) << "of what was free before";
  EXPECT_EQ(aside->held, (Pool::Ranges{{static_cast<std::byte*>(first), (2 + 8) * Pages::kPage}}));
  EXPECT_EQ(pool.stats().bytes_in_use, in_use + i64(10 * Pages::kPage));
  pool.free(stays, pages(1));
  EXPECT_EQ(pool.stats().bytes_in_use, in_use + i64(10 * Pages::kPage)) << "held as it is freed";
  const auto is_aside = [&](void* p) { return p >= first && p < static_cast<std::byte*>(second) + 9 * Pages::kPage; };
  std::vector<void*> others;
  for (std::size_t n = 1; n < 8; ++n) others.push_back(pool.alloc(pages(n)));
  for (void* const other : others) EXPECT_FALSE(is_aside(other));
  pool.release();
  for (std::size_t n = 1; n < 8; ++n) pool.free(others[n - 1], pages(n));
  pool.take_back(aside);
  EXPECT_EQ(pool.stats().bytes_in_use, i64(Pages::kPage)) << "what is owned";
  EXPECT_EQ(pool.alloc(pages(11)), first);
}

TEST(Pool, WhatIsWatchedMayBeForgotten) {
  Pages system(10);
  Pool pool = system.pool();
  pool.watch();
  pool.free(pool.alloc(pages(4)), pages(4));
  pool.forget();
  for (int again = 0; again < 2; ++again) {
    const Pool::Aside* const aside = pool.set_aside();
    EXPECT_TRUE(aside->all.empty() && aside->held.empty());
    pool.take_back(aside);
    pool.watch();
  }
  EXPECT_EQ(pool.stats().bytes_in_use, 0);
}

TEST(Pool, FreeNeverAllocates) {  // it is noexcept: a failed allocation would end the process
  Pool pool = from_malloc();
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
  Pool pool = from_malloc();
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
