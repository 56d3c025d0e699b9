#include "tests/cuda/gpu.h"

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace md::doubles {
namespace {

constexpr std::size_t kSize = std::size_t{4} << 30, kAlign = 512, kGuard = 256;
constexpr std::size_t kPage = std::size_t{2} << 20;  // a huge one: opening and closing takes time by the page
constexpr int kGuardByte = 0xA5;

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

class Opened {
 public:
  Opened() { memory().open(true); }
  ~Opened() { memory().open(false); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
};

}  // namespace

Memory::Memory() : limit_(kSize) {
  void* range = mmap(nullptr, kSize + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  MD_CHECK(range != MAP_FAILED, "the doubles find no address range for device memory");
  std::size_t room = kSize + kPage;
  base_ = static_cast<std::byte*>(std::align(kPage, kSize, range, room));
  madvise(base_, kSize, MADV_HUGEPAGE);
}

Memory& memory() {
  static auto* const it = new Memory;  // tensors in static storage may outlive any order of destruction
  return *it;
}

std::byte* Memory::find_room(std::size_t room) {
  if (const auto gap = gaps_.lower_bound(room); gap != gaps_.end() && gap->first <= 2 * room) {
    std::byte* const block = gap->second;
    blocks_[block].room = gap->first;
    gaps_.erase(gap);
    return block;
  }
  if (end_ + room > kSize) return nullptr;
  std::byte* const block = base_ + end_;
  end_ += room;
  blocks_[block].room = room;
  return block;
}

void* Memory::take(std::size_t bytes) {
  if (in_use_ + bytes > limit_) return nullptr;
  std::byte* const block = find_room(round_up(bytes + kGuard, kAlign));
  if (!block) return nullptr;
  Block& b = blocks_[block];
  b.bytes = bytes;
  in_use_ += bytes;
  const bool closed = opened_ == 0;
  mprotect(base_, round_up(end_, kPage), PROT_READ | PROT_WRITE);
  ASAN_UNPOISON_MEMORY_REGION(block, b.room);
  std::memset(block, 0xFF, bytes);
  std::memset(block + bytes, kGuardByte, b.room - bytes);
  ASAN_POISON_MEMORY_REGION(block + bytes, b.room - bytes);
  if (closed) mprotect(base_, round_up(end_, kPage), PROT_NONE);
  return block;
}

bool Memory::give(void* address) {
  const auto found = blocks_.find(static_cast<std::byte*>(address));
  if (found == blocks_.end()) return false;
  ASAN_POISON_MEMORY_REGION(found->first, found->second.room);
  in_use_ -= found->second.bytes;
  gaps_.emplace(found->second.room, found->first);
  blocks_.erase(found);
  return true;
}

bool Memory::holds(const void* address, std::size_t bytes) const {
  const auto* const from = static_cast<const std::byte*>(address);
  auto next = blocks_.upper_bound(const_cast<std::byte*>(from));
  if (next == blocks_.begin()) return false;
  const auto& [block, b] = *--next;
  return from + bytes <= block + b.bytes;
}

bool Memory::contains(const void* address) const {
  const auto* const at = static_cast<const std::byte*>(address);
  return at >= base_ && at < base_ + kSize;
}

void Memory::open(bool on) {
  if ((on ? opened_++ : --opened_) == 0)
    mprotect(base_, round_up(end_, kPage), on ? PROT_READ | PROT_WRITE : PROT_NONE);
}

i64 Memory::repair_guard() {
#ifndef __SANITIZE_ADDRESS__  // ASan has seen it
  static const auto whole = [] {
    std::array<std::byte, kGuard> guard{};
    guard.fill(std::byte{kGuardByte});
    return guard;
  }();
  for (const auto& [block, b] : blocks_) {
    if (std::memcmp(block + b.bytes, whole.data(), kGuard) == 0) continue;
    std::memcpy(block + b.bytes, whole.data(), kGuard);
    return static_cast<i64>(b.bytes);
  }
#endif
  return -1;
}

void Stream::push(Work work) {
  if (captured_) return captured_->push_back(std::move(work));
  queue_.push_back(std::move(work));
  if (hurry_) run();
}

std::optional<std::vector<Work>> Stream::end_capture() {
  std::optional<std::vector<Work>> captured = std::exchange(captured_, std::nullopt);
  return std::exchange(spoilt_, false) ? std::nullopt : std::move(captured);
}

cudaError_t Stream::run(i64 position) {
  const Opened scope;
  cudaError_t first = cudaSuccess;
  while (done_ < position) {
    const Work work = std::move(queue_.front());
    queue_.pop_front();
    cudaError_t status = work();
    ++done_;
    if (const i64 bytes = memory().repair_guard(); bytes >= 0) {
      trouble() = cat("a kernel or a copy wrote past the end of a block of ", bytes, " bytes");
      status = cudaErrorIllegalAddress;
    }
    if (first == cudaSuccess) first = status;
  }
  return first;
}

std::string& trouble() {
  static std::string text;
  return text;
}

}  // namespace md::doubles
