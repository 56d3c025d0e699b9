// How long a recorded step takes on a GPU that nobody has at hand: arithmetic on bytes, instructions, dependent loads
// and launches, with figures of data sheets and a few efficiencies that stand in step_model.cpp with their reasons.
// Trust ratios more than sums, and neither to better than a third.
#pragma once
#include <map>

#include "tests/cuda/recorder.h"

namespace md::record {

/// A GPU as its data sheet has it.
struct Gpu {
  const char* name;
  int multiprocessors, threads;  // of a multiprocessor
  double clock_ghz, bandwidth_tb;
  double f32_tflops, tf32_tflops, bf16_tflops;  // dense
};
inline constexpr Gpu kGpus[] = {
    {"H100", 132, 2048, 1.755, 3.35, 67, 495, 989},
    {"A100", 108, 2048, 1.41, 2.04, 19.5, 156, 312},
    {"RTX4090", 128, 1536, 2.52, 1.01, 82.6, 82.6, 165},
    {"RTX3090", 82, 1536, 1.695, 0.936, 35.6, 35.6, 71},
};

/// Of one kind of work in a step.
struct Cost {
  i64 times = 0;
  double must_bytes = 0, moved_bytes = 0;
  double us = 0;
  Cost& operator+=(const Cost&);
};

/// One launch of the engine's own.
Cost cost_of(const Launch&, const Gpu&);
/// A convolution by cuDNN; what its plan converts in a workspace is moved twice.
Cost cost_of(const Convolution&, const Gpu&);
/// A product by cuBLAS.
Cost cost_of(const MatrixProduct&, const Gpu&);

/// A kernel's name as a table shows it: "run<Gate>", "normalise<2>".
std::string short_name(const std::string& demangled);

/// A whole step.
struct StepCost {
  Cost own, convolutions, products;
  std::map<std::string, Cost> kernels;  // own ones, by short name
  double total_ms() const { return (own.us + convolutions.us + products.us) / 1e3; }
};
StepCost cost_of(const Recording&, const Gpu&);

}  // namespace md::record
