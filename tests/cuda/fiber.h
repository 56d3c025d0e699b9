// A fiber: a stack of its own that the one running thread switches to and from by itself. The emulated GPU gives every
// CUDA thread one, because only a thread with a stack can wait in the middle of a kernel. x86-64 (System V) only.
// ASan and TSan (MD_TSAN) are told of every switch; to TSan fibers are threads that nothing orders except
// release() and acquire().
#pragma once
#include <cstddef>

namespace md::cuda {

class Fiber {
 public:
  Fiber() = default;  // the stack that this thread runs on already, once it has switched away from here
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next switch to this fiber calls entry(), which must not return: it ends with a switch from its own fiber.
  void start(void (*entry)());
  /// Continues `to`; returns when something switches back to `from`. `last`: nothing will, before the next start.
  static void switch_to(Fiber& from, Fiber& to, bool last = false);
  /// Must be the first call on a started fiber. `caller` is the fiber that switched to it.
  static void arrived(Fiber& caller);
  /// Nothing will switch to it before the next start, whatever it waits in; for TSan it ends with release(tag).
  void drop(char& tag);

 private:
  void* stack_pointer_ = nullptr;
  std::byte* stack_ = nullptr;  // lowest address
  [[maybe_unused]] const void* bottom_ = nullptr;
  [[maybe_unused]] std::size_t bytes_ = 0;
  [[maybe_unused]] void* sanitizer_ = nullptr;  // ASan's fake stack, or TSan's thread
  [[maybe_unused]] bool ended_ = true;          // the entry called for the last switch
};

/// For TSan: what was done before release(tag) is over for whoever then calls acquire(tag).
void release(char& tag);
void acquire(char& tag);

}  // namespace md::cuda
