// Worker threads that fill tickets first, first+1, ... in order, never more than `slots` ahead of the consumer. A
// ticket has `parts`, each done by whoever is free; ticket t lives in slot t % slots until the consumer asks for the
// next. Which thread does what never shows. An error of a part is thrown by next() of its ticket, and by all later
// ones.
#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// How much work is done ahead: each ticket has `parts` parts and fills one of `slots` slots.
struct PrefetchSpec {
  int threads = 2;
  int slots = 3;  // one of them is the consumer's
  int parts = 1;
  i64 first = 0, end = std::numeric_limits<i64>::max();  // tickets
};

/// Threads that work ahead of one consumer, who gets the tickets in order.
class Prefetcher {
 public:
  using Work = std::function<void(i64 ticket, int part, int slot)>;  // called from several threads

  /// Throws ErrorKind::contract where the system gives no more threads.
  Prefetcher(const PrefetchSpec&, Work);
  ~Prefetcher();  // waits for the parts under way, begins no other
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Gives the slot of the last ticket back, waits for the next ticket and returns its slot; -1 past the end.
  int next();
  i64 ticket() const { return next_ - 1; }  // of the last next()
  double waited_s() const { return waited_s_; }

 private:
  struct Slot {
    int done = 0;  // parts
    int failed_part = 0;
    std::exception_ptr error;  // of the first part that failed, in part order
  };
  void run();
  void stop();  // waits for the parts under way
  bool claim(std::unique_lock<std::mutex>&, i64& ticket, int& part);
  Slot& slot_of(i64 ticket) { return slots_[std::size_t(ticket % spec_.slots)]; }

  const PrefetchSpec spec_;
  const Work work_;
  i64 next_;  // the consumer's; only it writes, under the lock
  double waited_s_ = 0;

  std::mutex mutex_;  // guards everything below
  std::condition_variable room_, done_;
  std::vector<Slot> slots_;
  i64 claim_ticket_;
  int claim_part_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace md
