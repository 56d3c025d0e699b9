// First fit by address, with ranges that are split and joined, under one lock. Under AddressSanitizer nobody may touch
// what is free, nor the guard behind a block.
#include "engine/pool.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) (void)(begin), (void)(bytes)
#define ASAN_UNPOISON_MEMORY_REGION(begin, bytes) (void)(begin), (void)(bytes)
#endif

namespace md {
namespace {

constexpr std::size_t kAlignment = 512;  // of every block, as a GPU's allocator has it
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kGuard = 64;
#else
constexpr std::size_t kGuard = 0;
#endif

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Of a block that holds so many bytes.
std::size_t size_for(std::size_t bytes) { return round_up(std::max<std::size_t>(bytes + kGuard, 1), kAlignment); }

}  // namespace

Pool::Pool(PoolSource source) : source_(std::move(source)) {}

Pool::~Pool() { release(); }

Pool::Ranges::node_type Pool::new_node() {
  Ranges one = {{nullptr, 0}};
  return one.extract(one.begin());
}

void* Pool::alloc(std::size_t bytes) {
  const std::size_t size = size_for(bytes);
  const std::lock_guard lock(mutex_);
  auto range = first_free(size);
  const bool hit = range != free_.end();
  ++(hit ? stats_.hits : stats_.misses);
  if (!hit) range = grow(size);
  nodes_.push_back(new_node());
  std::byte* const block = range->first;
  auto rest = free_.extract(range);
  if (rest.mapped() > size) {
    rest.key() += size;
    rest.mapped() -= size;
    free_.insert(std::move(rest));
  }
  stats_.bytes_in_use += static_cast<i64>(size);
  stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
  needed_ = std::max(needed_, stats_.bytes_in_use);
  if (watched_) note(block, size);
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
  return block;
}

void Pool::free(void* block, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  auto node = std::move(nodes_.back());
  nodes_.pop_back();
  node.key() = static_cast<std::byte*>(block);
  node.mapped() = size_for(bytes);
  if (Aside* const holder = holder_of(node.key())) {
    holder->held.insert(std::move(node));
    return;
  }
  stats_.bytes_in_use -= static_cast<i64>(node.mapped());
  ASAN_POISON_MEMORY_REGION(block, bytes);
  put_back(std::move(node));
}

Pool::Ranges::iterator Pool::first_free(std::size_t size) {
  return std::find_if(free_.begin(), free_.end(), [size](const auto& range) { return range.second >= size; });
}

/// A free range of that size at least, with memory from the system.
Pool::Ranges::iterator Pool::grow(std::size_t size) {
  const auto last = free_.empty() ? free_.end() : std::prev(free_.end());
  if (source_.divisible && last != free_.end() && last->first + last->second == end_) {
    // The next piece often lies behind the one before, and then what is free at the end counts.
    const std::size_t there = last->second;
    if (take(round_up(size - there, source_.unit))) {
      if (const auto range = first_free(size); range != free_.end()) return range;
    }
  }
  if (!take(round_up(size, source_.unit))) {
    release_beyond(0);
    if (!take(round_up(size, source_.unit))) {
      throw OutOfMemory(source_.when_full,
                        cat("out of memory: ", size >> 20, " MiB wanted with ", stats_.bytes_in_use >> 20,
                            " MiB in use; a smaller batch or image needs less"));
    }
  }
  return first_free(size);
}

bool Pool::take(std::size_t bytes) {
  auto range = new_node(), whole = new_node();  // first: nobody would know of a piece if there were no memory for them
  auto* const piece = static_cast<std::byte*>(source_.take(bytes));
  if (!piece) return false;
  ASAN_POISON_MEMORY_REGION(piece, bytes);
  range.key() = whole.key() = piece;
  range.mapped() = whole.mapped() = bytes;
  end_ = piece + bytes;
  if (!source_.divisible) pieces_.insert(std::move(whole));
  put_back(std::move(range));
  stats_.bytes_reserved += static_cast<i64>(bytes);
  return true;
}

bool Pool::joins(Ranges::const_iterator left, Ranges::const_iterator right) const {
  return left->first + left->second == right->first && pieces_.count(right->first) == 0;
}

/// Among the free ranges, as one with its neighbours.
void Pool::put_back(Ranges::node_type node) noexcept {
  const auto range = free_.insert(std::move(node)).position;
  if (const auto next = std::next(range); next != free_.end() && joins(range, next)) {
    range->second += next->second;
    free_.erase(next);
  }
  if (range == free_.begin()) return;
  if (const auto before = std::prev(range); joins(before, range)) {
    before->second += range->second;
    free_.erase(range);
  }
}

void Pool::release() {
  const std::lock_guard lock(mutex_);
  release_beyond(0);
}

void Pool::keep_at_most(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  release_beyond(std::max(bytes, static_cast<std::size_t>(needed_ - stats_.bytes_in_use)));
  needed_ = stats_.bytes_in_use;
}

std::size_t Pool::bytes_free() const { return static_cast<std::size_t>(stats_.bytes_reserved - stats_.bytes_in_use); }

/// Gives free ranges back, the last ones first, until no more than so many bytes are free or none can go.
void Pool::release_beyond(std::size_t bytes) {
  std::vector<std::byte*> begins;
  for (const auto& [begin, size] : free_) begins.push_back(begin);
  for (auto begin = begins.rbegin(); begin != begins.rend() && bytes_free() > bytes; ++begin) {
    give_back(free_.find(*begin), bytes_free() - bytes);
  }
}

/// The units at the end of a free range, or all of it if it is a whole piece.
void Pool::give_back(Ranges::iterator range, std::size_t at_most) {
  std::byte* const begin = range->first;
  const std::size_t size = range->second, head = reinterpret_cast<std::uintptr_t>(begin) % source_.unit;
  std::size_t from = 0, to = size;  // what goes
  if (source_.divisible) {
    to = std::max(head + size, source_.unit) / source_.unit * source_.unit - head;
    from = std::max(round_up(head, source_.unit) - head, to - std::min(to, round_up(at_most, source_.unit)));
    if (from >= to || to > size) return;
  } else if (const auto piece = pieces_.find(begin); piece == pieces_.end() || piece->second != size) {
    return;
  }
  // `give` may throw, so it comes last.
  if (to < size) free_.emplace(begin + to, size - to);
  range->second = from;
  if (from == 0) free_.erase(range);
  pieces_.erase(begin);
  stats_.bytes_reserved -= static_cast<i64>(to - from);
  ASAN_UNPOISON_MEMORY_REGION(begin + from, to - from);
  source_.give(begin + from, to - from);
}

void Pool::watch() {
  const std::lock_guard lock(mutex_);
  watched_.emplace();
}

void Pool::forget() {
  const std::lock_guard lock(mutex_);
  watched_.reset();
}

/// Among the watched ranges, as one with those that it touches.
void Pool::note(std::byte* begin, std::size_t size) {
  std::byte* end = begin + size;
  auto range = watched_->upper_bound(begin);
  if (range != watched_->begin() && std::prev(range)->first + std::prev(range)->second >= begin) --range;
  while (range != watched_->end() && range->first <= end) {
    begin = std::min(begin, range->first);
    end = std::max(end, range->first + range->second);
    range = watched_->erase(range);
  }
  watched_->emplace(begin, end - begin);
}

const Pool::Aside* Pool::set_aside() {
  const std::lock_guard lock(mutex_);
  Aside& aside = asides_.emplace_back(Aside{std::exchange(watched_, std::nullopt).value_or(Ranges()), {}});
  for (const auto& [begin, size] : free_) {
    std::byte* const end = begin + size;
    auto seen = aside.all.upper_bound(begin);
    if (seen != aside.all.begin()) --seen;
    for (; seen != aside.all.end() && seen->first < end; ++seen) {
      std::byte* const from = std::max(begin, seen->first);
      std::byte* const to = std::min(end, seen->first + seen->second);
      if (from < to) aside.held.emplace(from, to - from);
    }
  }
  for (const auto& [begin, size] : aside.held) cut_out(begin, size);
  return &aside;
}

/// Whose work was handed out this block of what is on loan; null: nobody's.
Pool::Aside* Pool::holder_of(std::byte* block) noexcept {
  for (Aside& aside : asides_) {
    const auto after = aside.all.upper_bound(block);
    if (after == aside.all.begin()) continue;
    if (const auto range = std::prev(after); block < range->first + range->second) return &aside;
  }
  return nullptr;
}

/// Of the free range that holds it.
void Pool::cut_out(std::byte* begin, std::size_t size) {
  const auto range = std::prev(free_.upper_bound(begin));
  const std::size_t ahead = begin - range->first, behind = range->second - ahead - size;
  if (behind > 0) free_.emplace(begin + size, behind);
  range->second = ahead;
  if (ahead == 0) free_.erase(range);
  stats_.bytes_in_use += static_cast<i64>(size);
  stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
  ASAN_UNPOISON_MEMORY_REGION(begin, size);
}

void Pool::take_back(const Aside* aside) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find_if(asides_, [aside](const Aside& each) { return &each == aside; });
  for (auto& held = it->held; !held.empty();) {
    auto node = held.extract(held.begin());
    stats_.bytes_in_use -= static_cast<i64>(node.mapped());
    ASAN_POISON_MEMORY_REGION(node.key(), node.mapped());
    put_back(std::move(node));
  }
  asides_.erase(it);
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace md
