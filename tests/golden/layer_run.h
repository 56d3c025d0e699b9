// A layer golden at work: hands out the tensors of the file and compares what comes back.
#pragma once
#include <algorithm>

#include "tests/golden/golden.h"
#include "tests/kit/testing.h"

namespace md::golden {

/// What the axes of an array of rank 4 are: those of a map [N,C,H,W], which the engine has as [N,H,W,C], or, for an op
/// that works along the last axis of any array, whatever they are, in the order on file.
enum class Axes : std::uint8_t { map, as_stored };

/// Hands out the tensors of a case and remembers under which names their gradients and new values are on file.
class LayerRun {
 public:
  LayerRun(const Case& golden, Report& report, Axes axes = Axes::map) : golden_(golden), report_(report), axes_(axes) {}

  const Json& params() const { return golden_.meta.at("params"); }

  /// A tensor without gradient, in our layout.
  Tensor constant(const std::string& name, Layout layout) const {
    return from_torch(golden_.file.tensor(name), layout).to(device());
  }
  /// A leaf; its gradient is on file as "grad_<name>".
  Tensor leaf(const std::string& name, Layout layout) {
    Tensor x = constant(name, layout);
    x.requires_grad_();
    leaves_["grad_" + name] = {x, layout};
    return x;
  }
  /// Maps are permuted, everything else is taken as it is.
  Tensor input(const std::string& name) { return leaf(name, layout_of(golden_.file.entry(name).shape)); }
  Tensor buffer(const std::string& name) {
    Tensor x = constant("param." + name, Layout::same);
    buffers_["after." + name] = x;
    return x;
  }
  /// Loads the parameters of a module and registers their gradients and its buffers.
  void load(Module& module) {
    State state = module.state();
    for (auto& [name, tensor] : state) {
      if (!is_structural(name)) tensor = stored_or_formula(name, tensor.shape());
    }
    module.load(state);
    module.to(device());
    for (const Module::Entry& p : module.parameters()) leaves_["grad_param." + p.name] = {p.tensor, p.layout};
    for (const Module::Entry& b : module.buffers()) buffers_["after." + b.name] = b.tensor;
  }

  /// Compares `y` and, after walking back from it, every gradient and buffer on file.
  void finish(const Tensor& y) {
    compare("output", y, layout_of(y.shape()));
    if (golden_.file.has("grad_output")) {
      y.backward(constant("grad_output", layout_of(golden_.file.entry("grad_output").shape)));
    }
    compare_leaves_and_buffers();
  }

  void compare(const std::string& name, const Tensor& ours, Layout layout) {
    const std::vector<double> want = golden_.want(name);
    const std::vector<double> got = test::to_double(to_torch(ours, layout));
    report_.compare(name, got, want, tolerance(name));
  }

  void compare_leaves_and_buffers() {
    for (const auto& [name, entry] : golden_.file.entries()) {
      const bool gradient = name.starts_with("grad_") && !name.starts_with("grad_output");
      if (name.ends_with(".f64") || !(gradient || name.starts_with("after."))) continue;
      if (gradient) {
        compare_gradient(name);
      } else if (!buffers_.contains(name)) {
        report_.wrong(name, " is on file, but the engine has no such buffer");
      } else if (buffers_[name].dtype() == DType::f32) {
        compare(name, buffers_[name], Layout::same);
      }
    }
    const Json digests = golden_.meta.value("digests", Json::object());
    for (const auto& [name, digest] : digests.items()) {
      if (name.starts_with("grad_") && name.ends_with(".f64")) compare_digest(name.substr(0, name.size() - 4), digest);
    }
  }

 private:
  struct Leaf {
    Tensor tensor;
    Layout layout;
  };

  // A map's permutation is the one of a convolution's weight.
  Layout layout_of(const Shape& shape) const {
    return axes_ == Axes::map && shape.rank() == 4 ? Layout::conv : Layout::same;
  }

  Tensor stored_or_formula(const std::string& name, const Shape& shape) const {
    if (golden_.file.has("param." + name)) return golden_.file.tensor("param." + name);
    return formula_entry(golden_.meta.at("salt"), name, shape, 1.0);
  }

  /// PyTorch's own float32 error is the yardstick: ill-conditioned cases have a large one. Ten times it, for another
  /// order of summation; at least 2e-6, about 30 roundings, for a case in which PyTorch was lucky. At most 1e-2.
  double tolerance(const std::string& name) const {
    const Json& yardstick = golden_.meta.at("f32_vs_f64");
    const double torch = yardstick.contains(name) ? yardstick[name].at("rel_l2").get<double>() : 0;
    return std::clamp(10 * torch, 2e-6, 1e-2);
  }

  Tensor gradient(const std::string& name) {
    const auto found = leaves_.find(name);
    if (found == leaves_.end()) return {};
    const Tensor g = found->second.tensor.grad();
    return g ? g : Tensor::zeros(found->second.tensor.shape());
  }

  void compare_gradient(const std::string& name) {
    const Tensor g = gradient(name);
    if (!g) return report_.wrong(name, " is on file, but the engine has no such leaf");
    compare(name, g, leaves_[name].layout);
  }

  void compare_digest(const std::string& name, const Json& digest) {
    const Tensor g = gradient(name);
    if (!g) return report_.wrong(name, " is on file, but the engine has no such leaf");
    report_.compare(name, test::to_double(to_torch(g, leaves_[name].layout)), digest, golden_.meta.at("salt"), name,
                    tolerance(name), false);
  }

  const Case& golden_;
  Report& report_;
  Axes axes_;
  std::map<std::string, Leaf> leaves_;
  std::map<std::string, Tensor> buffers_;
};

/// A block on its own, under the name that the golden has for it.
class Named : public Module {
 public:
  template <class Block, class... Args>
  Block& add(const std::string& name, Args&&... args) {
    return child<Block>(name, std::forward<Args>(args)...);
  }
};

}  // namespace md::golden
