// The whole pieces of work that mdbench times, each with the same piece in tools/bench/peer_bench.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// What is aimed at on a CPU: our time, and our peak memory, as fractions of the best that a peer's modes reach.
struct Target {
  Precision precision;      // that we compute in
  double time, memory = 0;  // memory 0: no aim
  bool of_any = false;      // of the modes of any precision; otherwise of those of ours
};

/// A piece of work, under the name that mdbench takes.
struct Benchmark {
  std::string name, what;
  std::function<std::function<void()>(Device)> prepare;  // makes the inputs there, returns the work
  std::vector<Target> targets = {};
  std::string official = {};  // whose code the peer runs ("bts", "newcrfs"); empty: tools/bench has all of it
  std::string exported = {};  // the network that ONNX Runtime and OpenVINO run too; empty: none
  Shape images = {};          // [N,H,W,3] of `exported`
  bool cpu_only = false;      // nobody does it on a GPU
};
/// All of them, in the order of the table.
const std::vector<Benchmark>& benchmarks();

}  // namespace md
