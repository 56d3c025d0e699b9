// The whole pieces of work that mdbench times, each with the same piece in tools/bench/peer_bench.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Of single runs, in seconds. Other programs make runs slower, never faster.
struct Times {
  double median_s, fastest_s;
  double lower_s, upper_s;  // quartiles
};

/// Times `work`, after two runs to warm up: at least three runs and `at_least_s` in all. `before`, if given, runs
/// before each and is not counted.
Times time_runs(double at_least_s, const std::function<void()>& work, const std::function<void()>& before = {});
double median_s(double at_least_s, const std::function<void()>& work);

/// A training step of LT: image [N,H,W,3], target_m [N,H,W], on `device`.
std::function<void(const Tensor& image, const Tensor& target_m)> lt_step(Device device);

struct Benchmark {
  std::string name, what;
  std::function<std::function<void()>(Device)> prepare;  // makes the inputs there, returns the work
  std::string official =
      {};                 // whose code the peer runs ("bts", "newcrfs"); empty: tools/bench/peer_bench.py has all of it
  bool cpu_only = false;  // nobody does it on a GPU
};
const std::vector<Benchmark>& benchmarks();

}  // namespace md
