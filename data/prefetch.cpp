// One mutex, two conditions: `room_` for workers that wait for a free slot, `done_` for the consumer.
#include "data/prefetch.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "engine/check.h"

namespace md {

Prefetcher::Prefetcher(const PrefetchSpec& spec, Work work)
    : spec_(spec),
      work_(std::move(work)),
      next_(spec.first),
      slots_(std::size_t(std::max(spec.slots, 0))),
      claim_ticket_(spec.first) {
  MD_CHECK(spec.threads >= 1 && spec.slots >= 2 && spec.parts >= 1, "prefetch: ", spec.threads, " threads, ",
           spec.slots, " slots, ", spec.parts, " parts");
  try {
    for (int i = 0; i < spec_.threads; ++i) threads_.emplace_back([this] { run(); });
  } catch (const std::system_error& error) {  // no destructor will run
    stop();
    fail(ErrorKind::contract, "thread ", threads_.size() + 1, " of ", spec_.threads, " for loading: ", error.what());
  }
}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Prefetcher::claim(std::unique_lock<std::mutex>& lock, i64& ticket, int& part) {
  // The slot of ticket next_ - 1 is in the consumer's hands.
  room_.wait(lock, [this] { return stop_ || claim_ticket_ >= spec_.end || claim_ticket_ - (next_ - 1) < spec_.slots; });
  if (stop_ || claim_ticket_ >= spec_.end) return false;
  ticket = claim_ticket_;
  part = claim_part_;
  if (part == 0) slot_of(ticket) = {};
  claim_part_ = (part + 1) % spec_.parts;
  if (claim_part_ == 0) ++claim_ticket_;
  return true;
}

void Prefetcher::run() {
  std::unique_lock lock(mutex_);
  i64 ticket = 0;
  int part = 0;
  while (claim(lock, ticket, part)) {
    lock.unlock();
    std::exception_ptr error;
    try {
      work_(ticket, part, int(ticket % spec_.slots));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    Slot& slot = slot_of(ticket);
    if (error && (!slot.error || part < slot.failed_part)) {
      slot.error = error;
      slot.failed_part = part;
    }
    if (++slot.done == spec_.parts) done_.notify_all();
  }
}

int Prefetcher::next() {
  std::unique_lock lock(mutex_);
  if (next_ >= spec_.end) return -1;
  Slot& slot = slot_of(next_);
  ++next_;
  room_.notify_all();
  const auto begin = std::chrono::steady_clock::now();
  done_.wait(lock, [&] { return claim_ticket_ >= next_ && slot.done == spec_.parts; });
  waited_s_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (slot.error) {
    --next_;
    std::rethrow_exception(slot.error);
  }
  return int((next_ - 1) % spec_.slots);
}

}  // namespace md
