// The ops of a piece of work, as they run in it.
#pragma once
#include <any>
#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// An input of an op; `given` is false for "no tensor".
struct OpInput {
  bool given = false;
  Shape shape = {};
  DType dtype = DType::f32;
  bool wants_gradient = false;
  bool operator==(const OpInput&) const = default;
};

/// An op with what decides how long it takes.
struct StepOp {
  std::string name, details;  // "conv2d", "3x3 s2 to 64" (tools/bench/bench_replay.h)
  std::any attributes;        // those of its record()
  std::vector<OpInput> inputs;
  Shape y;
  int count = 1;  // how often the work runs it
  /// It takes part in a backward pass.
  bool recorded() const;
};

/// Runs the work and lists its ops, equal ones once, in the order in which they first ran.
std::vector<StepOp> ops_of(const std::function<void()>& work);

}  // namespace md
