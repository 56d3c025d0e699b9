// Counts what a test program asks of the heap, by replacing operator new and delete. For one file of a program.
#pragma once
#include <omp.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace md::test {
inline std::atomic<int> allocations{0}, allocations_in_parallel{0};

inline void* counted(void* block) {
  ++allocations;
  if (omp_in_parallel() != 0) ++allocations_in_parallel;
  return block != nullptr ? block : throw std::bad_alloc();
}
}  // namespace md::test

// One of a pair inlined without the other looks to GCC 12 like an allocator mismatched.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return md::test::counted(std::malloc(bytes)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const std::size_t unit = std::size_t(alignment);
  return md::test::counted(std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
