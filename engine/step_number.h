// The number of a training step as the key of what the step draws. Ops do not read it: kernels do, from memory that
// whoever makes the step writes to, so that a step that was written down once (WorkGraph, engine/backend.h) draws anew
// each time it is repeated.
#pragma once
#include <utility>

#include "engine/tensor.h"

namespace md {

/// The number of a step; or that of a part, where a step is computed in several.
class StepNumber {
 public:
  /// One that stays what it is.
  StepNumber(i64 number = 0) : now_(number), plus_(number) {}
  /// The number that `memory` (make_memory()) holds when a kernel reads it, times and plus these; `now` is what the
  /// memory holds at present.
  StepNumber(Tensor memory, i64 now, i64 times, i64 plus)
      : memory_(std::move(memory)), now_(now * times + plus), times_(times), plus_(plus) {}

  /// Room for a number, on the device where kernels will read it.
  static Tensor make_memory(Device device) { return Tensor::empty({2}, device, DType::i32); }
  /// What make_memory() holds from now on.
  static void write(const Tensor& memory, i64 number);

  /// As a kernel takes it.
  struct View {
    const i64* memory;  // or null
    i64 times, plus;
    constexpr i64 number() const { return memory ? *memory * times + plus : plus; }
  };
  View view() const { return {memory_ ? static_cast<const i64*>(memory_.raw()) : nullptr, times_, plus_}; }
  /// What it is now, for draws on the host. Throws where kernels read it from memory and their work is being captured:
  /// the host would draw once for all steps.
  i64 on_host() const;

 private:
  Tensor memory_;  // none: it stays what it is
  i64 now_, times_ = 1, plus_;
};

}  // namespace md
