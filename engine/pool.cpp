// Size classes, each with the list of its free blocks, under one lock.
#include "engine/pool.h"

#include <algorithm>
#include <bit>

namespace md {

Pool::Pool(std::function<void*(std::size_t)> take, std::function<void(void*, std::size_t)> give, ErrorKind when_full)
    : take_(std::move(take)), give_(std::move(give)), when_full_(when_full) {}

Pool::~Pool() { release(); }

std::size_t Pool::class_of(std::size_t bytes) {
  if (bytes <= 512) return 512;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

void* Pool::alloc(std::size_t bytes) {
  const std::size_t size = class_of(bytes);
  const std::lock_guard lock(mutex_);
  Class& its = classes_[size];
  void* block = nullptr;
  if (its.free.empty()) {
    // free() must not fail, so it must not allocate: the list grows here.
    if (its.free.capacity() <= its.blocks) its.free.reserve(2 * its.blocks + 1);
    block = take_block(size);
    ++its.blocks;
    ++stats_.misses;
  } else {
    block = its.free.back();
    its.free.pop_back();
    ++stats_.hits;
  }
  stats_.bytes_in_use += static_cast<i64>(size);
  stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
  return block;
}

void* Pool::take_block(std::size_t size) {
  if (stats_.bytes_reserved - stats_.bytes_in_use > most_cached_) release_locked();
  void* block = take_(size);
  if (!block) {
    release_locked();
    block = take_(size);
  }
  if (!block) {
    fail(when_full_, "out of memory: ", size >> 20, " MiB wanted with ", stats_.bytes_in_use >> 20,
         " MiB in use; a smaller batch or image needs less");
  }
  stats_.bytes_reserved += static_cast<i64>(size);
  return block;
}

void Pool::free(void* block, std::size_t bytes) noexcept {
  const std::size_t size = class_of(bytes);
  const std::lock_guard lock(mutex_);
  stats_.bytes_in_use -= static_cast<i64>(size);
  classes_.find(size)->second.free.push_back(block);
}

void Pool::release() {
  const std::lock_guard lock(mutex_);
  release_locked();
}

void Pool::keep_at_most(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  most_cached_ = i64(bytes);
}

void Pool::release_locked() {
  for (auto& [size, its] : classes_) {
    while (!its.free.empty()) {
      void* const block = its.free.back();
      its.free.pop_back();  // first: `give` may throw
      --its.blocks;
      stats_.bytes_reserved -= static_cast<i64>(size);
      give_(block, size);
    }
  }
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace md
