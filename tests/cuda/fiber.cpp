#include "tests/cuda/fiber.h"

#include <sys/mman.h>

#include <new>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef MD_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifndef __x86_64__
#error "the emulated GPU switches stacks in x86-64 assembly"
#endif

// void md_switch_stack(void** save, void* to): pushes what a called function must preserve, leaves the stack pointer in
// *save, goes on with the stack `to`. (swapcontext does this with two system calls, 15 times slower.)
extern "C" void md_switch_stack(void** save, void* to);
asm(R"(
.text
.globl md_switch_stack
.type md_switch_stack,@function
md_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size md_switch_stack, .-md_switch_stack
)");

namespace md::cuda {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024, kGuardBytes = 4096;
[[maybe_unused]] constexpr std::size_t kEntryBytes = 4096;  // what an entry that ends may have on its stack
constexpr int kSavedRegisters = 6;

}  // namespace

Fiber::~Fiber() {
  if (stack_) munmap(stack_ - kGuardBytes, kStackBytes + kGuardBytes);
#ifdef MD_TSAN
  if (stack_ && sanitizer_) __tsan_destroy_fiber(sanitizer_);
#endif
}

void Fiber::start(void (*entry)()) {
  if (!stack_) {
    void* const block = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    mprotect(block, kGuardBytes, PROT_NONE);  // a kernel with too much on its stack crashes here
    stack_ = static_cast<std::byte*>(block) + kGuardBytes;
    bottom_ = stack_;
    bytes_ = kStackBytes;
  }
#ifdef __SANITIZE_ADDRESS__
  // Of frames that were left and never returned from: those of the entry, or any if the fiber was dropped half-way.
  const std::size_t left = ended_ ? kEntryBytes : kStackBytes;
  __asan_unpoison_memory_region(stack_ + kStackBytes - left, left);
  sanitizer_ = nullptr;
  ended_ = false;
#endif
#ifdef MD_TSAN
  if (!sanitizer_) sanitizer_ = __tsan_create_fiber(0);
#endif
  // What md_switch_stack pops: the registers, the address that it returns to, and one word that aligns the stack as
  // after a call.
  void** top = reinterpret_cast<void**>(stack_ + kStackBytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  stack_pointer_ = top;
}

void Fiber::switch_to(Fiber& from, Fiber& to, [[maybe_unused]] bool last) {
#ifdef __SANITIZE_ADDRESS__
  from.ended_ = last;
  __sanitizer_start_switch_fiber(last ? nullptr : &from.sanitizer_, to.bottom_, to.bytes_);
#endif
#ifdef MD_TSAN
  if (!from.stack_) from.sanitizer_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.sanitizer_, __tsan_switch_to_fiber_no_sync);
#endif
  md_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.sanitizer_, nullptr, nullptr);
#endif
}

void Fiber::arrived([[maybe_unused]] Fiber& caller) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &caller.bottom_, &caller.bytes_);
#endif
}

void Fiber::drop([[maybe_unused]] char& tag) {
#ifdef MD_TSAN
  if (!sanitizer_) return;
  void* const here = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(sanitizer_, __tsan_switch_to_fiber_no_sync);
  __tsan_release(&tag);
  __tsan_switch_to_fiber(here, __tsan_switch_to_fiber_no_sync);
  __tsan_destroy_fiber(sanitizer_);
  sanitizer_ = nullptr;
#endif
}

void release([[maybe_unused]] char& tag) {
#ifdef MD_TSAN
  __tsan_release(&tag);
#endif
}

void acquire([[maybe_unused]] char& tag) {
#ifdef MD_TSAN
  __tsan_acquire(&tag);
#endif
}

}  // namespace md::cuda
