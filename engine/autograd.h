// The tape: define by run. An op computes its output and returns record(name, y, inputs, backward); backward RETURNS
// the gradients and the engine alone adds them up. The walk goes by sequence number, newest first, without recursion,
// and frees what the ops saved on the way. The capture list of the lambda is what the op saves.
#pragma once
#include <functional>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// Which inputs want a gradient, in the order given to record().
class Needs {
 public:
  explicit Needs(std::uint32_t bits) : bits_(bits) {}
  bool operator[](int input) const { return bits_ >> input & 1U; }

 private:
  std::uint32_t bits_;
};
using Grads = std::vector<Tensor>;  // one per input; an empty Tensor means zero (or: not needed)
using Backward = std::function<Grads(const Tensor& dy, Needs needs)>;

/// Puts an op on the tape and returns its output. Stores nothing under NoGrad or when no input requires a gradient.
/// `y` must be the op's own fresh tensor. Every input that `backward` may need is captured by the lambda itself.
Tensor record(const char* op, Tensor y, std::vector<Tensor> inputs, Backward backward);

/// True if an op on these inputs would be recorded: lets an op skip work that only its backward needs.
bool recording(std::initializer_list<const Tensor*> inputs);

/// Scope in which nothing is recorded.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

}  // namespace md
