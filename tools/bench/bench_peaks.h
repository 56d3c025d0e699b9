// What this machine can do at most: multiply-adds of f32 and of bf16, and the traffic of its memory.
#pragma once
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// With the threads that OpenMP has now, and the widest instructions that the processor has, whatever this program was
/// compiled for.
struct Peaks {
  double flops = 0;             // of f32, multiply-adds in registers, per second
  double bf16_flops = 0;        // of products of bf16 pairs summed in f32; 0: the processor has no instruction for them
  double product_flops = 0;     // what the engine's matrix product of f32 makes of `flops`, at a size that suits it
  double bytes = 0;             // per second, from and to memory: a += b, which reads two arrays and writes one
  std::string f32_by, bf16_by;  // the instructions; bf16_by is "none" where there are none
};

/// A peak is a maximum, so each try can only raise it. One try takes hundredths of a second; other programs slow down
/// most of them, so tries are spread over all that is compared with the peaks.
class PeakMeter {
 public:
  PeakMeter();
  /// Measures once more, and keeps what is higher.
  void try_again();
  const Peaks& best() const { return best_; }

 private:
  std::vector<float> start_;
  Tensor a_, b_, product_;  // of the matrix product
  Tensor sum_, addend_;     // of the memory
  Peaks best_;
};

}  // namespace md
