#include "tests/cuda/emulation.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/check.h"
#include "tests/cuda/doubles.h"
#include "tests/cuda/fiber.h"
#include "tests/cuda/gpu.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace md::cuda {
namespace {

constexpr unsigned kWarp = 32;

struct Misuse {
  std::string what;
};

struct Thread {
  enum State : std::uint8_t { ready, at_barrier, in_collective, misusing, done };
  Fiber fiber;
  State state = ready;
  uint3 index{};
  std::source_location barrier;  // where it waits
  const char* collective = "";   // what it waits in, for whom, with what
  unsigned mask = 0;
  std::uint64_t value = 0;
};

struct Warp {
  std::uint64_t values[kWarp] = {};  // of the last collective
  unsigned present = 0;
  unsigned rounds = 0;  // collectives completed
  char tags[2] = {};
};

WarpOrder order_from_environment() {
  const char* const given = std::getenv("MD_WARP_ORDER");
  const std::string name = given ? given : "forward";
  if (name == "forward") return WarpOrder::forward;
  if (name == "reverse") return WarpOrder::reverse;
  if (name == "shuffled") return WarpOrder::shuffled;
  fail(ErrorKind::usage, "MD_WARP_ORDER: \"", name, "\" is not forward, reverse or shuffled");
}

std::optional<WarpOrder> chosen_order;

/// 0 ... n-1 in the chosen order; `shuffled` is another permutation every time.
class Permutation {
 public:
  const std::vector<unsigned>& of(unsigned n) {
    if (list_.size() != n) list_.resize(n);
    std::iota(list_.begin(), list_.end(), 0U);
    if (*chosen_order == WarpOrder::reverse) std::reverse(list_.begin(), list_.end());
    if (*chosen_order == WarpOrder::shuffled) {
      for (unsigned i = n; i > 1; --i) std::swap(list_[i - 1], list_[draw() % i]);
    }
    return list_;
  }

 private:
  unsigned draw() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<unsigned>(state_ >> 33U);
  }
  std::vector<unsigned> list_;
  std::uint64_t state_ = 1;
};

/// The one block that runs. Its threads' stacks are kept for the next.
class Block {
 public:
  void run(unsigned threads, std::size_t shared_bytes, const std::function<void()>& body);

  // Called on the fiber of the running thread.
  void wait_here(Thread::State);
  void body_and_end();
  Thread& running() { return *running_; }
  Warp& warp() { return warps_[unsigned(running_ - threads_.data()) / kWarp]; }
  unsigned lane() const { return unsigned(running_ - threads_.data()) % kWarp; }
  char& barrier_tag() { return barrier_tags_[barriers_ % 2]; }
  Fiber& scheduler() { return scheduler_; }
  void* shared() { return shared_.data(); }
  std::string misuse;

 private:
  void prepare(unsigned threads, std::size_t shared_bytes);
  void run_threads();
  void run_warp(unsigned warp);
  bool run_ready_lanes(unsigned first, unsigned lanes);
  bool complete_collectives(unsigned first, unsigned lanes);
  bool all_arrived(unsigned first, unsigned lanes, const Thread& caller) const;
  void open_barrier();
  void resume(Thread&);

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<std::byte> shared_;
  unsigned size_ = 0, alive_ = 0, barriers_ = 0;
  char barrier_tags_[2] = {}, start_tag_ = 0, end_tag_ = 0;
  const std::function<void()>* body_ = nullptr;
  Thread* running_ = nullptr;
  Fiber scheduler_;
  Permutation warp_order_, lane_order_;
};

Block& block() {
  static Block the;
  return the;
}

void thread_main() {
  Fiber::arrived(block().scheduler());
  block().body_and_end();
}

void Block::prepare(unsigned threads, std::size_t shared_bytes) {
  if (threads_.size() < threads) threads_ = std::vector<Thread>(threads);
  size_ = alive_ = threads;
  warps_.assign((threads + kWarp - 1) / kWarp, {});
  shared_ = std::vector<std::byte>(shared_bytes, std::byte{0xFF});
  for (unsigned i = 0; i < threads; ++i) {
    threads_[i].state = Thread::ready;
    threads_[i].index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    threads_[i].fiber.start(thread_main);
  }
}

void Block::run(unsigned threads, std::size_t shared_bytes, const std::function<void()>& body) {
  prepare(threads, shared_bytes);
  body_ = &body;
  release(start_tag_);
  try {
    run_threads();
  } catch (const Misuse&) {
    for (unsigned i = 0; i < threads; ++i) threads_[i].fiber.drop(end_tag_);
    acquire(end_tag_);
    throw;
  }
  acquire(end_tag_);
}

void Block::run_threads() {
  while (true) {
    for (const unsigned w : warp_order_.of(unsigned(warps_.size()))) run_warp(w);
    if (alive_ == 0) return;
    open_barrier();
  }
}

/// As far as it can go: until every thread of it has ended or waits for the block.
void Block::run_warp(unsigned warp) {
  const unsigned first = warp * kWarp, lanes = std::min(kWarp, size_ - first);
  while (run_ready_lanes(first, lanes) && complete_collectives(first, lanes)) {
  }
}

bool Block::run_ready_lanes(unsigned first, unsigned lanes) {
  bool any = false;
  for (const unsigned lane : lane_order_.of(lanes)) {
    Thread& thread = threads_[first + lane];
    if (thread.state != Thread::ready) continue;
    any = true;
    resume(thread);
  }
  return any;
}

void Block::resume(Thread& thread) {
  running_ = &thread;
  threadIdx = thread.index;
  Fiber::switch_to(scheduler_, thread.fiber);
  if (thread.state == Thread::done) --alive_;
  if (thread.state != Thread::misusing) return;
  thread.fiber.drop(end_tag_);
  acquire(end_tag_);
  throw Misuse{misuse};
}

bool Block::all_arrived(unsigned first, unsigned lanes, const Thread& caller) const {
  for (unsigned l = 0; l < lanes; ++l) {
    const Thread& other = threads_[first + l];
    if (!(caller.mask >> l & 1U) || other.state == Thread::done) continue;
    if (other.state != Thread::in_collective || other.mask != caller.mask) return false;
    if (std::strcmp(other.collective, caller.collective) != 0)
      throw Misuse{cat(caller.collective, " meets ", other.collective, " of the same mask")};
  }
  return true;
}

/// Lets the lanes go on whose collectives are complete; false if there is none.
bool Block::complete_collectives(unsigned first, unsigned lanes) {
  bool any = false;
  Warp& warp = warps_[first / kWarp];
  for (unsigned l = 0; l < lanes; ++l) {
    const Thread& caller = threads_[first + l];
    if (caller.state != Thread::in_collective || !all_arrived(first, lanes, caller)) continue;
    const unsigned mask = caller.mask;
    for (unsigned k = 0; k < lanes; ++k) {
      Thread& other = threads_[first + k];
      if (!(mask >> k & 1U)) continue;
      warp.present &= ~(1U << k);
      if (other.state == Thread::done) continue;
      warp.present |= 1U << k;
      warp.values[k] = other.value;
      other.state = Thread::ready;
    }
    ++warp.rounds;
    any = true;
  }
  return any;
}

/// Every thread that is still alive must wait at the same __syncthreads.
void Block::open_barrier() {
  const Thread* first = nullptr;
  for (unsigned i = 0; i < size_; ++i) {
    const Thread& t = threads_[i];
    if (t.state == Thread::done) continue;
    if (t.state == Thread::in_collective) throw Misuse{cat(t.collective, " waits for lanes that never come")};
    if (!first) first = &t;
    if (t.barrier.line() != first->barrier.line() || t.barrier.column() != first->barrier.column() ||
        std::strcmp(t.barrier.file_name(), first->barrier.file_name()) != 0)
      throw Misuse{cat("threads of a block wait at different __syncthreads: ", first->barrier.file_name(), ":",
                       first->barrier.line(), " and ", t.barrier.file_name(), ":", t.barrier.line())};
  }
  ++barriers_;
  for (unsigned i = 0; i < size_; ++i) {
    if (threads_[i].state == Thread::at_barrier) threads_[i].state = Thread::ready;
  }
}

void Block::wait_here(Thread::State state) {
  running_->state = state;
  Fiber::switch_to(running_->fiber, scheduler_, state == Thread::done);
}

void Block::body_and_end() {
  acquire(start_tag_);
  (*body_)();
  release(end_tag_);
  wait_here(Thread::done);
}

/// What a GPU of compute capability 7.5 or later refuses.
bool valid(dim3 grid, dim3 block, std::size_t shared_bytes) {
  constexpr unsigned kMostThreads = 1024, kMostBlocks = 65535, kMostDepth = 64;
  constexpr std::size_t kMostShared = 48 * 1024;
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  return threads > 0 && threads <= kMostThreads && block.z <= kMostDepth && grid.x > 0 && grid.x <= 0x7FFFFFFFU &&
         grid.y > 0 && grid.y <= kMostBlocks && grid.z > 0 && grid.z <= kMostBlocks && shared_bytes <= kMostShared;
}

cudaError_t run_grid(dim3 grid, dim3 block_size, std::size_t shared_bytes, const std::function<void()>& thread) {
  if (!chosen_order) chosen_order = order_from_environment();
  gridDim = grid;
  blockDim = block_size;
  const std::size_t blocks = std::size_t{grid.x} * grid.y * grid.z;
  try {
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::size_t b = *chosen_order == WarpOrder::reverse ? blocks - 1 - i : i;
      blockIdx = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
      block().run(block_size.x * block_size.y * block_size.z, shared_bytes, thread);
    }
  } catch (const Misuse& misuse) {
    doubles::trouble() = cat(misuse.what, " (block ", blockIdx.x, ",", blockIdx.y, ",", blockIdx.z, ")");
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

}  // namespace

void set_warp_order(WarpOrder order) { chosen_order = order; }

cudaError_t emulate(cudaStream_t stream, dim3 grid, dim3 block_size, std::size_t shared_bytes,
                    std::function<void()> thread) {
  if (doubles::fails("emulate")) return cudaErrorUnknown;
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (!valid(grid, block_size, shared_bytes)) return cudaErrorInvalidConfiguration;
  stream->work->push([=, run = std::move(thread)] { return run_grid(grid, block_size, shared_bytes, run); });
  return cudaSuccess;
}

void* emulated_shared() { return block().shared(); }

void wait_for_block(const std::source_location& here) {
  Block& b = block();
  b.running().barrier = here;
  char& tag = b.barrier_tag();
  release(tag);
  b.wait_here(Thread::at_barrier);
  acquire(tag);
}

LaneValues exchange(const char* kind, unsigned mask, std::uint64_t value) {
  Block& b = block();
  Thread& self = b.running();
  const unsigned lane = b.lane();
  if (!(mask >> lane & 1U)) {
    b.misuse = cat(kind, ": calling lane ", lane, " is not in its mask");
    b.wait_here(Thread::misusing);
  }
  self.collective = kind;
  self.mask = mask;
  self.value = value;
  Warp& warp = b.warp();
  char& tag = warp.tags[warp.rounds % 2];
  release(tag);
  b.wait_here(Thread::in_collective);
  acquire(tag);
  return {warp.values, warp.present, lane};
}

}  // namespace md::cuda
