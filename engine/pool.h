// A caching pool over any source of memory: freed blocks wait in a list per size class and are handed out again, so a
// steady-state training step asks the system for nothing. Classes are an eighth of a power of two apart (at most 12.5 %
// waste). Thread-safe.
#pragma once
#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/backend.h"

namespace md {

/// Blocks of memory on loan. Whoever took one gives it back, with the size that was asked for.
class Pool {
 public:
  /// `take` returns null when the system has no more; `give` returns a block to it.
  /// A system without room is `when_full`.
  Pool(std::function<void*(std::size_t)> take, std::function<void(void*, std::size_t)> give,
       ErrorKind when_full = ErrorKind::contract);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void* alloc(std::size_t bytes);                // throws md::Error when even an emptied pool has no room
  void free(void*, std::size_t bytes) noexcept;  // keeps the block for the next one of its class
  void release();                                // returns every cached block to the system
  void keep_at_most(std::size_t bytes);          // before it asks the system for more, a larger cache is released
  PoolStats stats() const;                       // since the start

  static std::size_t class_of(std::size_t bytes);  // the size that a request is rounded to

 private:
  struct Class {
    std::vector<void*> free;  // has room for every block of the class
    std::size_t blocks = 0;   // free and in use
  };
  void* take_block(std::size_t size);
  void release_locked();
  std::function<void*(std::size_t)> take_;
  std::function<void(void*, std::size_t)> give_;
  ErrorKind when_full_;
  i64 most_cached_ = std::numeric_limits<i64>::max();  // bytes
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, Class> classes_;  // by size
  PoolStats stats_;
};

}  // namespace md
