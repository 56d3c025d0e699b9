// What stands behind a Tensor handle. Only tensor.cpp and autograd.cpp include this.
#pragma once
#include <memory>

#include "engine/autograd.h"
#include "engine/tensor.h"

namespace md {

struct Node;

/// How an op's output is made again, for all who saved it.
struct Remade {
  std::function<Tensor()> make;
  Shape shape;
  DType dtype;
  std::uint64_t version;        // of the numbers that it makes
  std::weak_ptr<Storage> made;  // the output itself or what was made last, as long as somebody has it
  Tensor get();
};

/// The place of a tensor in the graph. Nodes point to these and not to tensors, so that the graph keeps no memory alive
/// except what an op's backward captured.
struct GradMeta {
  Shape shape;
  DType dtype;
  Device device;
  bool requires_grad = false;
  Tensor grad;
  std::shared_ptr<Node> node;      // the op that made it; none for leaves
  std::shared_ptr<Remade> remade;  // if it can be made again
};

/// What a Tensor points to.
struct TensorImpl {
  std::shared_ptr<Storage> storage;
  std::size_t offset = 0;  // bytes
  Shape shape;
  DType dtype = DType::f32;
  std::shared_ptr<GradMeta> meta;  // none: no gradient wanted
};

/// An op on the tape, in the order of their sequence numbers.
struct Node {
  const char* op;
  std::uint64_t sequence;
  std::vector<std::shared_ptr<GradMeta>> inputs;  // empty where no gradient is wanted
  Backward backward;
  ~Node();
};

/// What the tape may do with tensors that nobody else may.
struct TensorAccess {
  static Tensor make(TensorImpl impl) {
    Tensor t;
    t.impl_ = std::make_shared<TensorImpl>(std::move(impl));
    return t;
  }
  /// True if nobody else can see this memory.
  static bool unique(const Tensor& t) { return t.impl_.use_count() == 1 && t.impl_->storage.use_count() == 1; }
  /// Its place in the graph, made where there is none.
  static GradMeta& meta(const Tensor& t);
};

}  // namespace md
