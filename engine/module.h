// Module: a tree of parameters, buffers and children whose names equal PyTorch's ("encoder.features.0.0.weight").
// On disk everything has PyTorch's layout (OIHW); in memory ours (channels last). `state` and `load` permute, and
// nothing else does. Loading is strict and lists every missing, extra and mis-shaped entry.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace md {

/// How a tensor in memory maps to PyTorch's.
enum class Layout : std::uint8_t {
  same,
  conv,       // [O,kh,kw,I] here, [O,I,kh,kw] there
  depthwise,  // [kh,kw,C] here, [C,1,kh,kw] there
};
Tensor to_torch(const Tensor& ours, Layout);      // CPU copy in PyTorch's layout
Tensor from_torch(const Tensor& theirs, Layout);  // CPU copy in ours

/// Tensors on the CPU under PyTorch's names, in PyTorch's layout.
using State = std::map<std::string, Tensor>;

/// A layer or network: owns its children, holds handles to its parameters and buffers. Built in training mode.
class Module {
 public:
  /// A parameter or buffer: PyTorch's name of it, from the top of the tree, and the tensor itself.
  struct Entry {
    std::string name;
    Tensor tensor;
    Layout layout = Layout::same;
  };
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  std::vector<Entry> parameters() const;  // registration order, depth first
  std::vector<Entry> buffers() const;     // running statistics
  std::vector<Entry> entries() const;     // both
  State state() const;                    // copies of both, in PyTorch's layout
  void load(const State&);                // strict; raises versions
  void to(Device) const;                  // moves both, in place: handles elsewhere follow

  virtual void train(bool on = true);  // batch norm uses batch statistics; never touches requires_grad
  void eval() { train(false); }        // batch norm uses running statistics, and nothing is dropped
  /// The mode of this module alone: a part may have another (freeze_statistics).
  bool training() const { return training_; }
  void apply(const std::function<void(Module&)>&);  // to this module and everything below it

 protected:
  /// Registers a parameter that learns, and returns it.
  Tensor param(std::string name, Tensor initial, Layout = Layout::same);
  /// Registers a tensor that is saved and does not learn, and returns it.
  Tensor buffer(std::string name, Tensor initial);
  /// Builds a part from the arguments, owns it and returns it. Dots in the name make levels.
  template <class M, class... Args>
  M& child(std::string name, Args&&... args) {
    auto made = std::make_unique<M>(std::forward<Args>(args)...);
    M& it = *made;
    children_.emplace_back(std::move(name), std::move(made));
    return it;
  }

 private:
  void collect(const std::string& prefix, std::vector<Entry> Module::*list, std::vector<Entry>& out) const;
  std::vector<Entry> params_, buffers_;
  std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
  bool training_ = true;
};

/// The entries under PyTorch's names and in its layout, on the CPU.
State copies_of(const std::vector<Module::Entry>& entries);

/// The same, to be written at once: what is so already is not copied, but shares its memory.
State state_of(const std::vector<Module::Entry>& entries);

/// Copies `state` (PyTorch's names and layout) into the entries, all or nothing: throws ErrorKind::bad_data with every
/// missing, extra and mis-shaped name. `what` stands for the owner in the message.
void load_entries(const std::vector<Module::Entry>& entries, const State& state, const std::string& what);

}  // namespace md
