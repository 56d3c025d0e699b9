#include "tools/train/step_graph.h"

#include <utility>

namespace md {
namespace {

Tensor room_for(const Tensor& t) { return t ? Tensor::empty(t.shape(), t.device(), t.dtype()) : t; }

bool same_kind(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b;
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device();
}

void copy(const Tensor& to, const Tensor& from) {
  if (to) backend(to.device()).copy(to.raw(), from.raw(), to.bytes());
}

void raise_versions(const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors) t.bump_version();
}

}  // namespace

StepGraph::StepGraph(const Batch& like)
    : batch_{.image = room_for(like.image),
             .depth_m = room_for(like.depth_m),
             .focal_px = room_for(like.focal_px),
             .names = {}} {}

void StepGraph::capture(StepWork work) {
  Backend& device = backend(batch_.image.device());
  work_ = std::move(work);
  notes_.clear();
  gradients_.clear();
  // Copies that are derived from weights have to be made in the graph, also where an evaluation has just made them.
  raise_versions(work_.parameters);
  try {
    begin_ = device.capture([&] { work_.begin(batch_, notes_); });
    for (const Tensor& p : work_.parameters) gradients_.push_back(p.grad());
    finish_ = device.capture(work_.finish);
  } catch (...) {
    begin_ = nullptr;
    raise_versions(work_.parameters);  // copies are thought to be made that are not
    throw;
  }
}

bool StepGraph::fits(const Batch& batch) const {
  return same_kind(batch.image, batch_.image) && same_kind(batch.depth_m, batch_.depth_m) &&
         same_kind(batch.focal_px, batch_.focal_px);
}

void StepGraph::begin(const Batch& batch, std::set<std::string>& notes) {
  copy(batch_.image, batch.image);
  copy(batch_.depth_m, batch.depth_m);
  copy(batch_.focal_px, batch.focal_px);
  for (std::size_t i = 0; i < gradients_.size(); ++i) work_.parameters[i].set_grad(gradients_[i]);
  notes.insert(notes_.begin(), notes_.end());
  begin_->launch();
}

void StepGraph::finish() {
  finish_->launch();
  raise_versions(work_.parameters);
  raise_versions(work_.statistics);
}

}  // namespace md
