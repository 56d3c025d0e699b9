// The tape: define by run. An op computes its output and returns record(name, y, inputs, backward); backward RETURNS
// the gradients, and the engine adds them up, but for a sum that backward takes (Needs). The walk goes by sequence
// number, newest first, without recursion, and frees what the ops saved on the way. The capture list of the lambda is
// what the op saves: values, Saved tensors, and tensors of the op's own that nobody else can write.
#pragma once
#include <any>
#include <functional>
#include <unordered_map>
#include <vector>

#include "engine/tensor.h"

namespace md {

struct Node;  // engine/tensor_impl.h

/// Which inputs want a gradient, in the order given to record().
class Needs {
 public:
  explicit Needs(const Node&);
  bool operator[](int input) const { return bits_ >> input & 1U; }  // whether it does
  /// What this input's gradient has come to so far, for a backward that adds its own to it and returns both; the engine
  /// keeps nothing of it. Empty where there is none yet, or where somebody else can see that memory: then the engine
  /// adds.
  Tensor take_sum(int input) const;

 private:
  const Node* node_;
  std::uint32_t bits_;  // bit i: input i
};
/// The gradients of an op's inputs, one for each; an empty Tensor means zero, or not needed.
using Grads = std::vector<Tensor>;
/// From the gradient of the output to those of the inputs; called once, as it frees what it saved.
using Backward = std::function<Grads(const Tensor& dy, Needs needs)>;

/// An op's name and, for a Trace, those of its numbers that its tensors do not show (a Conv2dSpec, an eps). Refers to
/// them: for the length of a call.
class Op {
 public:
  Op(const char* name) : name_(name) {}
  template <class T>
  Op(const char* name, const T& attributes)
      : name_(name),
        attributes_(&attributes),
        copy_([](const void* it) { return std::any(*static_cast<const T*>(it)); }) {}
  const char* name() const { return name_; }
  /// A copy of them; empty where there are none.
  std::any attributes() const { return copy_ ? copy_(attributes_) : std::any(); }

 private:
  const char* name_;
  const void* attributes_ = nullptr;
  std::any (*copy_)(const void*) = nullptr;
};

/// Puts an op on the tape and returns its output. Stores nothing under NoGrad or when no input requires a gradient.
/// `y` must be the op's own fresh tensor. What `backward` needs of the inputs and of `y`, its lambda captures as Saved;
/// a tensor that is on the tape would keep the tape alive.
Tensor record(const Op& op, Tensor y, std::vector<Tensor> inputs, Backward backward);

struct Remade;  // engine/tensor_impl.h

/// What an op keeps of a tensor (or of none) for its backward: the memory, off the tape, and the version it had; or,
/// for an output that can be made again, how. Reading it after an in-place write to that memory throws, as in PyTorch:
/// the gradient would be that of other numbers.
class Saved {
 public:
  /// Of a tensor, or of "no tensor".
  explicit Saved(const Tensor& t);
  const Tensor& operator*() const;
  const Tensor* operator->() const { return &**this; }
  const Shape& shape() const { return shape_; }  // no write changes it
  /// Lets go of the memory, in a backward that has read it for the last time and goes on.
  void release();

 private:
  mutable Tensor tensor_;  // none as long as it has not been made again
  std::shared_ptr<Remade> remade_;
  Shape shape_;
  std::uint64_t version_;
};

/// Says how `y`, which record() returned, is made again, bit for bit, from what its op keeps in any case: who saves it
/// keeps `make` and not its memory, on a GPU where more than half of that is taken. For outputs that cost no more than
/// a pass over memory.
void can_be_made_again(const Tensor& y, std::function<Tensor()> make);

/// True if an op on these inputs would be recorded: lets an op skip work that only its backward needs.
bool recording(std::initializer_list<const Tensor*> inputs);

/// Scope in which every op of this thread is shown as it runs, on the tape or not: what it made, and of what.
class Trace {
 public:
  /// Called with each op, its output and its inputs.
  using Listener = std::function<void(const Op&, const Tensor& y, const std::vector<Tensor>& inputs)>;
  /// Until it ends; an outer Trace hears nothing meanwhile.
  explicit Trace(Listener);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

 private:
  Listener listener_;
  const Listener* before_;
};

/// Scope in which a backward of this thread says of leaves that their gradient is complete, as soon as it is: no op
/// that the walk has yet to come to adds to it. Of leaves that it does not come to it says nothing.
class GradientWatch {
 public:
  using Listener = std::function<void(std::size_t leaf)>;  // which one of them
  GradientWatch(const std::vector<Tensor>& leaves, Listener);
  ~GradientWatch();
  GradientWatch(const GradientWatch&) = delete;
  GradientWatch& operator=(const GradientWatch&) = delete;

 private:
  friend class OpsToCome;
  std::unordered_map<const void*, std::size_t> leaves_;  // by their places in the graph
  Listener listener_;
  const GradientWatch* before_;
};

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
