// What a lesson of tests/lessons is made of. A lesson is one header with eight parts; the first is text, the others
// give what stands here, and tests/kit/lesson_parts.h judges them. tests/layers/README.md is the list of lessons.
#pragma once
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/kit/array.h"

namespace md::test {

using Arrays = std::vector<Array>;

/// Gives names to the terms of a gradient: dx(...) += term("dy * w", dy(...) * w(...)). A value comes back as it is,
/// but that of the chosen term times a factor: 0 where the term is to be lost, -1 where its sign is to be wrong.
class Terms {
 public:
  Terms() = default;  // all of them as they are
  Terms(std::string chosen, double factor) : chosen_(std::move(chosen)), factor_(factor) {}
  /// Collects the names.
  explicit Terms(std::set<std::string>* names) : names_(names) {}

  double operator()(const char* name, double value) const {
    if (names_ != nullptr) names_->insert(name);
    return !chosen_.empty() && chosen_ == name ? factor_ * value : value;
  }

 private:
  std::string chosen_;
  double factor_ = 1;
  std::set<std::string>* names_ = nullptr;
};

/// An op as it is defined, in double, and the kernel that computes it.
struct Definition {
  std::string name;                 // as it is declared in layers/ops.h, losses/ or engine/optim.h
  std::vector<std::string> inputs;  // their names
  std::function<Array(const Arrays& in)> value;
  /// A gradient for every input, of its shape.
  std::function<Arrays(const Arrays& in, const Array& dy, const Terms& term)> gradients;
  std::function<Tensor(const std::vector<Tensor>& in)> kernel;
  bool differentiable_kernel = true;  // false: only its value is compared
};

/// An array with its name, typed as numbers: {"x", {1, 2, 2, 1}, {1, 2, 3, 4}}.
struct Named {
  std::string name;
  Shape shape;
  std::vector<double> numbers;
  Array array() const { return {shape, numbers}; }
};

/// Part 2: numbers that one works out by hand, gradients in the order of the inputs.
struct ByHand {
  Definition op;
  std::vector<Named> inputs;
  Named y, dy;
  std::vector<Named> gradients;
};

/// Parts 3 and 5: where an op is held against its definition.
struct Check {
  Definition op;
  Arrays inputs;
  double tolerance;               // of the kernel, in float: relative L2; its reason stands beside it
  std::vector<float> kinks = {};  // where f has no derivative: inputs stay away from them
  float step = 1e-2F;             // of the mutation test's central differences, which are in float
};

/// Part 6: an op that is linear in these inputs, each by itself. Ops that are not named here are judged by the
/// derivative along one random direction.
struct Linear {
  std::string op;
  std::vector<std::string> inputs;
};

/// Part 7: the terms that the gradients of an op have.
struct TermList {
  std::string op;
  std::vector<std::string> terms;
};

/// Part 8: a numeric trap; says in one sentence what is wrong, or nothing.
struct Trap {
  std::string name;
  std::function<std::string()> what_is_wrong;
};

struct Lesson {
  int number;
  std::string name;
  std::vector<ByHand> by_hand;
  std::vector<Check> checks;
  std::vector<Linear> linear;
  std::vector<TermList> terms;
  std::vector<Trap> traps;
};

/// Uniform in [low, high), and exact in float, which the kernels compute in. Equal seeds give equal numbers.
Array random_array(const Shape&, std::uint64_t seed, double low = -1, double high = 1);

/// What stands in place of a blank until a student has filled it.
void not_written(const std::string& what);

}  // namespace md::test
