#include "engine/pool.h"

#include <algorithm>
#include <bit>

namespace md {

Pool::Pool(std::function<void*(std::size_t)> take, std::function<void(void*, std::size_t)> give)
    : take_(std::move(take)), give_(std::move(give)) {}

Pool::~Pool() { release(); }

std::size_t Pool::class_of(std::size_t bytes) {
  if (bytes <= 512) return 512;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

void* Pool::alloc(std::size_t bytes) {
  const std::size_t size = class_of(bytes);
  const std::lock_guard lock(mutex_);
  stats_.bytes_in_use += static_cast<i64>(size);
  stats_.bytes_peak = std::max(stats_.bytes_peak, stats_.bytes_in_use);
  std::vector<void*>& list = free_[size];
  if (!list.empty()) {
    ++stats_.hits;
    void* block = list.back();
    list.pop_back();
    return block;
  }
  ++stats_.misses;
  void* block = take_(size);
  if (!block) {
    release_locked();
    block = take_(size);
  }
  if (!block) {
    stats_.bytes_in_use -= static_cast<i64>(size);
    fail(Exit::numeric, "out of memory: ", size >> 20, " MiB wanted with ", stats_.bytes_in_use >> 20,
         " MiB in use; a smaller --batch or image size needs less");
  }
  stats_.bytes_reserved += static_cast<i64>(size);
  return block;
}

void Pool::free(void* block, std::size_t bytes) noexcept {
  const std::size_t size = class_of(bytes);
  const std::lock_guard lock(mutex_);
  stats_.bytes_in_use -= static_cast<i64>(size);
  free_[size].push_back(block);
}

void Pool::release() {
  const std::lock_guard lock(mutex_);
  release_locked();
}

void Pool::release_locked() {
  for (auto& [size, list] : free_) {
    for (void* block : list) give_(block, size);
    stats_.bytes_reserved -= static_cast<i64>(size * list.size());
    list.clear();
  }
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace md
