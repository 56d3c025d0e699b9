// What mdbench measures: whole pieces of work, each with the same piece in tools/peer_bench.py, and the table of ops.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Median time of `work`, after two runs to warm up: at least three runs and `at_least_s` in all. `before`, if given,
/// runs before each and is not counted.
double median_s(double at_least_s, const std::function<void()>& work, const std::function<void()>& before = {});

/// A training step of LT: image [N,H,W,3], target_m [N,H,W], on `device`.
std::function<void(const Tensor& image, const Tensor& target_m)> lt_step(Device device);

struct Benchmark {
  std::string name, what;
  std::function<std::function<void()>(Device)> prepare;  // makes the inputs there, returns the work
  std::string official = {};  // whose code the peer runs ("bts", "newcrfs"); empty: tools/peer_bench.py has all of it
  bool cpu_only = false;      // nobody does it on a GPU
};
const std::vector<Benchmark>& benchmarks();

/// Measured limits of this machine with the threads that OpenMP has now.
struct Peaks {
  double flops;  // multiply-adds in registers, per second
  double bytes;  // reading two large arrays and writing one, per second
};
Peaks measure_peaks();

struct OpTime {
  std::string op, shape;
  bool backward;
  double seconds, flops, bytes;  // flops 0: bound by memory; bytes: each input and output once
  /// The least time that the peaks allow, as a fraction of the time taken.
  double of_peak(const Peaks&) const;
};
/// Ops at the shapes they have in LT's training step, 4x416x544, slowest first.
std::vector<OpTime> time_ops();

}  // namespace md
