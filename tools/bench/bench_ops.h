// The table of ops: each timed forward and backward, against the machine's peaks.
#pragma once
#include <string>
#include <vector>

#include "tools/bench/bench_peaks.h"
#include "tools/bench/timing.h"

namespace md {

/// What one pass of an op took.
struct OpTime {
  std::string network, op, shape;
  bool backward;
  Times times;
  double flops, bytes;  // flops 0: bound by memory; bytes: each input and output once
  /// The least time that the memory's peak allows is more than the time taken: the data lay in the caches.
  bool in_cache(const Peaks&) const;
  /// The least time that the peaks allow, as a fraction of the time taken.
  double of_peak(const Peaks&) const;
};

/// All ops, and what the machine can do.
struct OpTable {
  Peaks peaks;               // measured all along
  std::vector<OpTime> rows;  // by network, slowest first
};
/// Times each op of tools/bench/bench_shapes.h for at least `at_least_s` a pass.
OpTable time_ops(double at_least_s);

}  // namespace md
