// The GPU behind the doubles: memory that the host cannot touch, and streams that work as late as they may. Late work
// shows what a fast GPU hides: pinned memory that is written too early, results that nobody waited for.
#pragma once
#include <driver_types.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md::doubles {

/// Device memory: an address range that is closed (a touch is a segmentation fault) except while work runs. Blocks come
/// filled with 0xFF, which is NaN, and end in a guard that work must leave as it is; ASan guards them to the byte.
class Memory {
 public:
  Memory();
  void* take(std::size_t bytes);                     // null when full
  bool give(void*);                                  // false: no block begins there
  bool holds(const void*, std::size_t bytes) const;  // all of it, inside of one block
  bool contains(const void*) const;                  // an address of this memory
  void open(bool);                                   // nests
  i64 repair_guard();                                // size of a block whose guard was written to, or -1
  i64 blocks() const { return static_cast<i64>(blocks_.size()); }
  void limit(std::size_t bytes) { limit_ = bytes; }

 private:
  struct Block {
    std::size_t bytes, room;  // room: with its guard
  };
  std::byte* find_room(std::size_t room);
  std::byte* base_;
  std::size_t limit_, in_use_ = 0;
  std::size_t end_ = 0;  // of what was ever used
  std::map<std::byte*, Block> blocks_;
  std::multimap<std::size_t, std::byte*> gaps_;  // room of blocks given back
  int opened_ = 0;
};
Memory& memory();

using Work = std::function<cudaError_t()>;

class Stream {
 public:
  /// Queues it; or, while captured, writes it down.
  void push(Work);
  i64 queued() const { return done_ + static_cast<i64>(queue_.size()); }
  bool passed(i64 position) const { return done_ >= position; }
  i64 done() const { return done_; }
  /// Works until `position` is passed; the first failure, which does not stop what is behind it.
  cudaError_t run(i64 position);
  cudaError_t run() { return run(queued()); }
  void hurry(bool on) { hurry_ = on; }  // work at once

  // Capture. What a capture cannot write down spoils it.
  void begin_capture() { captured_.emplace(); }
  bool capturing() const { return captured_.has_value(); }
  void spoil_capture() { spoilt_ = true; }
  /// What was pushed since begin_capture(); nothing if it was spoilt.
  std::optional<std::vector<Work>> end_capture();

 private:
  std::optional<std::vector<Work>> captured_;
  bool spoilt_ = false;
  std::deque<Work> queue_;
  i64 done_ = 0;
  bool hurry_ = false;
};

/// What the last piece of work that failed did wrong.
std::string& trouble();

}  // namespace md::doubles

struct CUstream_st {
  std::shared_ptr<md::doubles::Stream> work = std::make_shared<md::doubles::Stream>();
};
