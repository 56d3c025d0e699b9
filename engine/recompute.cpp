#include "engine/recompute.h"

#include "engine/autograd.h"

namespace md {
namespace {

std::vector<Tensor> off_the_tape(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(t ? t.detach() : t);
  return out;
}

}  // namespace

Tensor recompute(Segment segment, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> kept = off_the_tape(inputs);
  const Tensor y = [&] {
    const NoGrad off;
    return segment(kept);
  }();
  return record("recompute", y, inputs, [segment = std::move(segment), kept](const Tensor& dy, Needs needs) {
    const std::vector<Tensor> leaves = off_the_tape(kept);  // fresh ones, whose gradients are nobody else's
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      if (needs[int(i)]) leaves[i].requires_grad_();
    }
    segment(leaves).backward(dy);
    Grads grads;
    for (const Tensor& leaf : leaves) grads.push_back(leaf ? leaf.grad() : Tensor());
    return grads;
  });
}

}  // namespace md
