// The tree walks, the permutation between our layouts and PyTorch's, and strict loading.
#include "engine/module.h"

#include <cstring>

namespace md {
namespace {

/// Copies outer x a x b elements to outer x b x a.
void transpose(const float* from, float* to, i64 outer, i64 a, i64 b) {
  for (i64 o = 0; o < outer; ++o) {
    for (i64 i = 0; i < a; ++i) {
      for (i64 j = 0; j < b; ++j) to[(o * b + j) * a + i] = from[(o * a + i) * b + j];
    }
  }
}

/// PyTorch's shape of a tensor of ours.
Shape torch_shape(const Shape& s, Layout layout) {
  switch (layout) {
    case Layout::same:
      return s;
    case Layout::conv:
      return {s[0], s[3], s[1], s[2]};
    case Layout::depthwise:
      return {s[2], 1, s[0], s[1]};
  }
  fail(ErrorKind::contract, "torch_shape: no such layout");
}

}  // namespace

Tensor to_torch(const Tensor& ours, Layout layout) {
  const Tensor host = ours.detach().to(Device{});
  if (layout == Layout::same) return host.clone();
  const Shape& s = host.shape();
  MD_CHECK(s.rank() == (layout == Layout::conv ? 4 : 3), "to_torch: weight ", s, " is no convolution's");
  Tensor theirs = Tensor::empty(torch_shape(s, layout));
  if (layout == Layout::conv) {
    transpose(host.data(), theirs.data(), s[0], s[1] * s[2], s[3]);
  } else {
    transpose(host.data(), theirs.data(), 1, s[0] * s[1], s[2]);
  }
  return theirs;
}

Tensor from_torch(const Tensor& theirs, Layout layout) {
  const Tensor host = theirs.detach().to(Device{});
  if (layout == Layout::same) return host.clone();
  const Shape& s = host.shape();
  MD_CHECK(s.rank() == 4 && (layout == Layout::conv || s[1] == 1), "from_torch: weight ", s, " is no convolution's");
  if (layout == Layout::conv) {
    Tensor ours = Tensor::empty({s[0], s[2], s[3], s[1]});
    transpose(host.data(), ours.data(), s[0], s[1], s[2] * s[3]);
    return ours;
  }
  Tensor ours = Tensor::empty({s[2], s[3], s[0]});
  transpose(host.data(), ours.data(), 1, s[0], s[2] * s[3]);
  return ours;
}

Tensor Module::param(std::string name, Tensor initial, Layout layout) {
  initial.requires_grad_();
  params_.push_back({std::move(name), initial, layout});
  return initial;
}

Tensor Module::buffer(std::string name, Tensor initial) {
  buffers_.push_back({std::move(name), initial, Layout::same});
  return initial;
}

void Module::collect(const std::string& prefix, std::vector<Entry> Module::*list, std::vector<Entry>& out) const {
  for (const Entry& entry : this->*list) out.push_back({prefix + entry.name, entry.tensor, entry.layout});
  for (const auto& [name, module] : children_) module->collect(prefix + name + ".", list, out);
}

std::vector<Module::Entry> Module::parameters() const {
  std::vector<Entry> out;
  collect("", &Module::params_, out);
  return out;
}

std::vector<Module::Entry> Module::buffers() const {
  std::vector<Entry> out;
  collect("", &Module::buffers_, out);
  return out;
}

std::vector<Module::Entry> Module::entries() const {
  std::vector<Entry> both = parameters();
  for (Entry& entry : buffers()) both.push_back(std::move(entry));
  return both;
}

State Module::state() const { return copies_of(entries()); }

void Module::load(const State& state) { load_entries(entries(), state, "model"); }

void Module::to(Device device) const {
  for (const Entry& entry : entries()) entry.tensor.move_to(device);
}

void Module::train(bool on) {
  training_ = on;
  for (const auto& child : children_) child.second->train(on);
}

void Module::apply(const std::function<void(Module&)>& visit) {
  visit(*this);
  for (const auto& child : children_) child.second->apply(visit);
}

State state_of(const std::vector<Module::Entry>& entries) {
  State state;
  for (const Module::Entry& entry : entries) {
    const bool same = entry.layout == Layout::same;
    state[entry.name] = same ? entry.tensor.detach().to(Device{}) : to_torch(entry.tensor, entry.layout);
  }
  return state;
}

State copies_of(const std::vector<Module::Entry>& entries) {
  State state = state_of(entries);
  for (auto& [name, tensor] : state) tensor = tensor.clone();
  return state;
}

void load_entries(const std::vector<Module::Entry>& entries, const State& state, const std::string& what) {
  std::string wrong;
  State extra = state;
  for (const auto& entry : entries) {
    const auto found = state.find(entry.name);
    extra.erase(entry.name);
    const Shape wanted = torch_shape(entry.tensor.shape(), entry.layout);
    if (found == state.end()) {
      wrong += cat("; missing ", entry.name, " ", wanted);
    } else if (found->second.shape() != wanted || found->second.dtype() != entry.tensor.dtype()) {
      wrong += cat("; ", entry.name, " is ", name_of(found->second.dtype()), " ", found->second.shape(), ", wants ",
                   name_of(entry.tensor.dtype()), " ", wanted);
    }
  }
  for (const auto& [name, tensor] : extra) wrong += cat("; unexpected ", name, " ", tensor.shape());
  if (!wrong.empty()) fail(ErrorKind::bad_data, what, " state does not fit", wrong);
  for (const auto& entry : entries)
    entry.tensor.copy_from(from_torch(state.at(entry.name), entry.layout).to(entry.tensor.device()));
}

}  // namespace md
