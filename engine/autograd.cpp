// The tape and its walk.
#include "engine/autograd.h"

#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_set>
#include <utility>

#include "engine/backend.h"
#include "engine/tensor_impl.h"

namespace md {

#ifdef MD_WITH_CUDA
namespace cuda {
std::size_t total_memory();  // engine/cuda: of the GPU in use, in bytes
}
#endif

namespace {

thread_local bool enabled = true;
thread_local const Trace::Listener* listener = nullptr;
thread_local const GradientWatch* watch = nullptr;
std::atomic<std::uint64_t> next_sequence{0};

bool wants_gradient(const Tensor& t) { return t && t.requires_grad(); }

/// The only place that adds gradients.
void accumulate(GradMeta& into, Tensor g, const char* op) {
  MD_CHECK(g.shape() == into.shape && g.dtype() == into.dtype, op, ": gradient ", g.shape(), " ", name_of(g.dtype()),
           " for an input of ", into.shape, " ", name_of(into.dtype));
  if (!into.grad) {
    // A leaf's gradient outlives the walk and may be clipped in place: it is nobody else's memory.
    into.grad = into.node || TensorAccess::unique(g) ? std::move(g) : g.clone();
    return;
  }
  // An op may hand out one tensor twice (add: dy for both inputs), so only memory nobody else sees is added into.
  if (!TensorAccess::unique(into.grad)) into.grad = into.grad.clone();
  backend(into.device).add_into(into.grad, g);
}

using MetaPtr = std::shared_ptr<GradMeta>;
struct Older {
  bool operator()(const MetaPtr& a, const MetaPtr& b) const { return a->node->sequence < b->node->sequence; }
};

/// The op's backward, once: what the op saved is freed with it. Its errors get the op's name in front.
Grads call_backward(Node& node, const Tensor& dy, Needs needs) {
  MD_CHECK(node.backward, node.op, ": backward ran through this op before and freed what it saved");
  try {
    return std::exchange(node.backward, nullptr)(dy, needs);
  } catch (const Error& error) {
    fail(error.kind(), node.op, " backward: ", error.what());
  }
}

/// Asks one node for the gradients of its inputs and hands them on.
void step_back(GradMeta& output) {
  Node& node = *output.node;
  Tensor dy = std::exchange(output.grad, {});
  Grads grads = call_backward(node, dy, Needs(node));
  dy = {};  // its memory may be that of a gradient now, and nobody else's
  MD_CHECK(grads.size() == node.inputs.size(), node.op, ": ", grads.size(), " gradients for ", node.inputs.size(),
           " inputs");
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (node.inputs[i] && grads[i]) accumulate(*node.inputs[i], std::move(grads[i]), node.op);
  }
}

}  // namespace

/// How many ops of a walk are still to add to each of the leaves that are watched.
class OpsToCome {
 public:
  explicit OpsToCome(const MetaPtr& root) {
    if (!watch) return;
    std::vector<const GradMeta*> todo{root.get()};
    std::unordered_set<const Node*> seen;
    while (!todo.empty()) {
      const Node* const node = todo.back()->node.get();
      todo.pop_back();
      if (!seen.insert(node).second) continue;
      for (const MetaPtr& input : node->inputs) {
        if (input && input->node) todo.push_back(input.get());
        if (input && watch->leaves_.contains(input.get())) ++left_[input.get()];
      }
    }
  }
  /// An op has added to this input what it adds.
  void passed(const MetaPtr& input) {
    if (const auto left = left_.find(input.get()); left != left_.end() && --left->second == 0)
      watch->listener_(watch->leaves_.at(input.get()));
  }

 private:
  std::unordered_map<const GradMeta*, i64> left_;
};

Needs::Needs(const Node& node) : node_(&node), bits_(0) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i) bits_ |= node.inputs[i] ? 1U << i : 0U;
}

Tensor Needs::take_sum(int input) const {
  Tensor& sum = node_->inputs.at(std::size_t(input))->grad;
  return sum && TensorAccess::unique(sum) ? std::exchange(sum, {}) : Tensor();
}

/// A long chain of nodes would free itself recursively; unlink it step by step instead.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> pending;
  const auto release = [&pending](std::vector<MetaPtr>& of) {
    for (MetaPtr& meta : of) {
      if (meta && meta.use_count() == 1 && meta->node.use_count() == 1) pending.push_back(std::move(meta->node));
      meta.reset();
    }
  };
  release(inputs);
  while (!pending.empty()) {
    const std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    release(node->inputs);
  }
}

Saved::Saved(const Tensor& t) : version_(0) {
  if (!t) return;
  shape_ = t.shape();
  version_ = t.version();
  const GradMeta* const meta = t.impl()->meta.get();
  if (meta && meta->remade && meta->remade->version == version_) {
    remade_ = meta->remade;
  } else {
    tensor_ = t.detach();
  }
}

const Tensor& Saved::operator*() const {
  if (!tensor_ && remade_) tensor_ = remade_->get();
  MD_CHECK(!tensor_ || tensor_.version() == version_, "a tensor ", tensor_.shape(),
           " that it needs was modified by an inplace operation: it is at version ", tensor_.version(),
           ", and was saved at version ", version_);
  return tensor_;
}

void Saved::release() {
  tensor_ = {};
  remade_ = nullptr;
}

Tensor Remade::get() {
  if (std::shared_ptr<Storage> there = made.lock())
    return TensorAccess::make({std::move(there), 0, shape, dtype, nullptr});
  const NoGrad off;
  Tensor again = make();
  again.storage().version = version;
  made = again.impl()->storage;
  return again;
}

namespace {

/// A CPU's always is, and a GPU's where more than half is taken: with room to spare, making a map again takes longer
/// than it is worth.
bool memory_is_dear([[maybe_unused]] Device device) {
#ifdef MD_WITH_CUDA
  if (device.kind == Device::cuda)
    return 2 * std::size_t(backend(device).pool_stats().bytes_reserved) > cuda::total_memory();
#endif
  return true;
}

}  // namespace

void can_be_made_again(const Tensor& y, std::function<Tensor()> make) {
  if (!y.impl()->meta || !y.impl()->meta->node) return;  // not on the tape
  if (!memory_is_dear(y.device())) return;
  y.impl()->meta->remade =
      std::make_shared<Remade>(Remade{std::move(make), y.shape(), y.dtype(), y.version(), y.impl()->storage});
}

NoGrad::NoGrad() : before_(enabled) { enabled = false; }
NoGrad::~NoGrad() { enabled = before_; }

Trace::Trace(Listener shown) : listener_(std::move(shown)), before_(std::exchange(listener, &listener_)) {}
Trace::~Trace() { listener = before_; }

GradientWatch::GradientWatch(const std::vector<Tensor>& leaves, Listener heard)
    : listener_(std::move(heard)), before_(std::exchange(watch, this)) {
  for (std::size_t i = 0; i < leaves.size(); ++i) leaves_[&TensorAccess::meta(leaves[i])] = i;
}
GradientWatch::~GradientWatch() { watch = before_; }

bool recording(std::initializer_list<const Tensor*> inputs) {
  return enabled && std::any_of(inputs.begin(), inputs.end(), [](const Tensor* t) { return wants_gradient(*t); });
}

GradMeta& TensorAccess::meta(const Tensor& t) {
  MD_CHECK(t.impl_, "empty tensor has no gradient");
  if (!t.impl_->meta)
    t.impl_->meta = std::make_shared<GradMeta>(GradMeta{t.shape(), t.dtype(), t.device(), false, {}, nullptr, nullptr});
  return *t.impl_->meta;
}

Tensor record(const Op& op, Tensor y, std::vector<Tensor> inputs, Backward backward) {
  if (listener) (*listener)(op, y, inputs);
  MD_CHECK(inputs.size() <= 32, op.name(), ": more than 32 inputs");
  if (!enabled || std::none_of(inputs.begin(), inputs.end(), wants_gradient)) return y;
  auto node = std::make_shared<Node>(Node{op.name(), next_sequence++, {}, std::move(backward)});
  for (const Tensor& t : inputs) node->inputs.push_back(wants_gradient(t) ? t.impl()->meta : nullptr);
  GradMeta& meta = TensorAccess::meta(y);
  meta.requires_grad = true;
  meta.node = std::move(node);
  return y;
}

bool Tensor::requires_grad() const { return impl_ && impl_->meta && impl_->meta->requires_grad; }
const Tensor& Tensor::requires_grad_(bool on) const {
  TensorAccess::meta(*this).requires_grad = on;
  return *this;
}
Tensor Tensor::grad() const { return impl_ && impl_->meta ? impl_->meta->grad : Tensor(); }
void Tensor::set_grad(Tensor g) const {
  MD_CHECK(!g || (g.shape() == shape() && g.dtype() == dtype()), "set_grad: ", g.shape(), " ", name_of(g.dtype()),
           " for ", shape(), " ", name_of(dtype()));
  TensorAccess::meta(*this).grad = std::move(g);
}

void Tensor::backward(Tensor seed) const {
  MD_CHECK(requires_grad(), "backward: nothing here requires a gradient");
  const MetaPtr root = impl_->meta;
  accumulate(*root, seed ? std::move(seed) : full(shape(), 1.F, device(), dtype()), "backward: seed");
  std::priority_queue<MetaPtr, std::vector<MetaPtr>, Older> todo;
  std::unordered_set<const Node*> queued;
  const auto enqueue = [&](const MetaPtr& meta) {
    if (meta && meta->node && queued.insert(meta->node.get()).second) todo.push(meta);
  };
  OpsToCome to_come(root);
  enqueue(root);
  while (!todo.empty()) {
    const MetaPtr output = todo.top();
    todo.pop();
    output->remade = nullptr;              // all who saved it come before
    if (output->grad) step_back(*output);  // none: every path to it returned "zero"
    // The node stays, empty, so that a second walk does not take its output for a leaf.
    output->node->backward = nullptr;
    for (const MetaPtr& input : std::exchange(output->node->inputs, {})) {
      enqueue(input);
      to_come.passed(input);
    }
  }
}

}  // namespace md
