// The tape: define by run. An op computes its output and returns record(name, y, inputs, backward); backward RETURNS
// the gradients and the engine alone adds them up. The walk goes by sequence number, newest first, without recursion,
// and frees what the ops saved on the way. The capture list of the lambda is what the op saves: values, Saved tensors,
// and tensors of the op's own that nobody else can write.
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
/// `y` must be the op's own fresh tensor. What `backward` needs of the inputs and of `y`, its lambda captures as Saved;
/// a tensor that is on the tape would keep the tape alive.
Tensor record(const char* op, Tensor y, std::vector<Tensor> inputs, Backward backward);

/// What an op keeps of a tensor (or of none) for its backward: the memory, off the tape, and the version it had.
/// Reading it after an in-place write to that memory throws, as in PyTorch: the gradient would be that of other
/// numbers.
class Saved {
 public:
  explicit Saved(const Tensor& t) : tensor_(t ? t.detach() : Tensor()), version_(t ? t.version() : 0) {}
  const Tensor& operator*() const;
  const Tensor* operator->() const { return &**this; }
  const Shape& shape() const { return tensor_.shape(); }  // no write changes it

 private:
  Tensor tensor_;
  std::uint64_t version_;
};

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
