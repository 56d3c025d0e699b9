// A caching pool over any source of memory: what is freed is handed out again, so that a steady-state training step
// asks the system for nothing. A request takes the first free range that holds it and leaves the rest, and freed ranges
// grow together with free neighbours, so that almost no byte waits for a request of its own size. Thread-safe.
#pragma once
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/backend.h"

namespace md {

/// Where a pool's memory comes from.
struct PoolSource {
  std::function<void*(std::size_t bytes)> take;        // null when the system has no more
  std::function<void(void*, std::size_t bytes)> give;  // back to the system
  std::size_t unit = 512;                              // bytes; a power of two. It is asked for multiples of these
  /// Pieces begin at multiples of the unit, those that lie side by side are one, and every unit can be given back for
  /// itself; else a piece is given back as it was taken.
  bool divisible = false;
  ErrorKind when_full = ErrorKind::contract;  // what a system without room is
};

/// What a system without room is to whoever asks for memory.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Blocks of memory on loan. Whoever took one gives it back, with the size that was asked for.
class Pool {
 public:
  explicit Pool(PoolSource);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void* alloc(std::size_t bytes);                // throws OutOfMemory when even an emptied pool has no room
  void free(void*, std::size_t bytes) noexcept;  // keeps the block for who comes next
  void release();                                // returns all that is free to the system
  /// Between two pieces of work: returns what the work since the last call did not need, as far as more than `bytes`
  /// are free.
  void keep_at_most(std::size_t bytes);
  PoolStats stats() const;  // since the start

  // For work that was written down with the addresses that it had, and that will use them again without asking.
  using Ranges = std::map<std::byte*, std::size_t>;  // where they begin, and their bytes
  /// What such work was handed out, and of that what nobody has now: it counts as in use, and nobody gets it.
  struct Aside {
    Ranges all, held;
  };
  /// From here on what is handed out is noted, until set_aside() or forget().
  void watch();
  void forget();
  /// Holds what was handed out since watch(): what is free of it now, and the rest as it is freed. Until take_back().
  const Aside* set_aside();
  void take_back(const Aside*) noexcept;

 private:
  static Ranges::node_type new_node();
  Ranges::iterator first_free(std::size_t size);
  Ranges::iterator grow(std::size_t size);
  bool take(std::size_t bytes);
  void put_back(Ranges::node_type) noexcept;
  bool joins(Ranges::const_iterator left, Ranges::const_iterator right) const;
  std::size_t bytes_free() const;
  void release_beyond(std::size_t bytes);
  void give_back(Ranges::iterator, std::size_t at_most);
  void note(std::byte* begin, std::size_t size);
  void cut_out(std::byte* begin, std::size_t size);
  Aside* holder_of(std::byte* block) noexcept;

  PoolSource source_;
  mutable std::mutex mutex_;
  Ranges free_;
  Ranges pieces_;                         // that go back as they came
  std::byte* end_ = nullptr;              // of the piece that came last
  std::vector<Ranges::node_type> nodes_;  // one for each block on loan: free() must not fail, so it must not allocate
  PoolStats stats_;
  i64 needed_ = 0;                 // the most bytes in use since keep_at_most was called
  std::optional<Ranges> watched_;  // what was handed out since watch()
  std::list<Aside> asides_;
};

}  // namespace md
