// The whole pieces of work that mdbench times, each with the same piece in tools/bench/peer_bench.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// A piece of work, under the name that mdbench takes.
struct Benchmark {
  std::string name, what;
  std::function<std::function<void()>(Device)> prepare;  // makes the inputs there, returns the work
  std::string official =
      {};                 // whose code the peer runs ("bts", "newcrfs"); empty: tools/bench/peer_bench.py has all of it
  bool cpu_only = false;  // nobody does it on a GPU
};
/// All of them, in the order of the table.
const std::vector<Benchmark>& benchmarks();

}  // namespace md
