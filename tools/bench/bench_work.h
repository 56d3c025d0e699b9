// The whole pieces of work that mdbench times, each with the same piece in tools/bench/peer_bench.py.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "tools/bench/bench_startup.h"

namespace md {

/// What is aimed at on a CPU: our time, and our peak memory, as fractions of the best that a peer's modes reach.
struct Target {
  std::string precision;    // that we compute in: "f32" or "bf16"
  double time, memory = 0;  // memory 0: no aim
  bool of_any = false;      // of the modes of any precision; otherwise of those of ours
};

/// What is timed.
struct Work {
  std::function<void()> run;          // the whole piece
  std::function<void()> update = {};  // of a training step: what its optimiser does, which is no op; once it has run
  double update_bytes = 0;            // that it reads and writes
};

/// A piece of work, under the name that mdbench takes.
struct Benchmark {
  std::string name, what;
  std::function<Work(Device)> prepare = {};  // makes the inputs there; empty where there is `start`
  std::vector<Target> targets = {};
  std::string official = {};            // whose code the peer runs ("bts", "newcrfs"); empty: tools/bench has all of it
  std::string exported = {};            // the network that ONNX Runtime and OpenVINO run too; empty: none
  Shape images = {};                    // [N,H,W,3] of `exported`
  std::function<Startup()> start = {};  // runs a program once, on the CPU
  bool cpu_only = false;                // nobody does it on a GPU, or in another precision than f32
  bool has_ops = false;                 // of networks alone: the table of ops can take it apart
};
/// All of them, in the order of the table.
const std::vector<Benchmark>& benchmarks();

}  // namespace md
