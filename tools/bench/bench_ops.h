// The table of ops: each op of a piece of work timed alone, forward and backward, against the machine's peaks, and all
// of them together against the whole.
#pragma once
#include <string>
#include <vector>

#include "tools/bench/bench_peaks.h"
#include "tools/bench/bench_work.h"
#include "tools/bench/timing.h"

namespace md {

/// What one pass of an op took.
struct OpTime {
  std::string op, shape, pass;  // "conv2d 3x3", its first input, "forward", "backward" or "update"
  int count;                    // how often the work runs it
  Times times;                  // of one run
  double flops, bytes;          // flops 0: bound by memory; bytes: each input and output once
  DType dtype = DType::f32;     // of its first input
  /// Of all its runs in the work.
  double seconds() const { return count * times.median_s; }
  /// The least time that the memory's peak allows is more than the time taken: the data lay in the caches.
  bool in_cache(const Peaks&) const;
  /// The least time that the peaks allow for one run.
  double least_s(const Peaks&) const;
  /// The same as a fraction of the time taken.
  double of_peak(const Peaks& peaks) const { return least_s(peaks) / times.median_s; }
};

/// The ops of a piece of work, what the machine can do, and how long the whole takes.
struct OpTable {
  Peaks peaks;                       // measured all along
  std::vector<OpTime> rows;          // slowest first
  std::vector<std::string> missing;  // ops that cannot be run alone
  double whole_s = 0;                // median, before the ops
  double parts_s() const;
  double least_s() const;  // of all parts
};

/// Times the work and each of its ops for at least `at_least_s` a pass, on the CPU.
OpTable time_ops(const Benchmark&, Device, double at_least_s);

}  // namespace md
