// An ONNX model under construction: named values, the nodes that make them, and constants. It knows the file format
// (onnx.proto3) and nothing of networks.
#pragma once
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/tensor.h"
#include "tools/cli/protobuf.h"

namespace md {

class OnnxGraph {
 public:
  using Attribute = std::variant<i64, float, std::string, std::vector<i64>>;
  using Attributes = std::vector<std::pair<std::string, Attribute>>;

  using Dim = std::variant<i64, std::string>;  // a length, or the name of one that each run chooses
  using Dims = std::vector<Dim>;

  explicit OnnxGraph(i64 opset) : opset_(opset) {}
  /// The version of the operators, which decides how some are written.
  i64 opset() const { return opset_; }

  /// `what` is its documentation.
  void input(const std::string& name, const Dims&, const std::string& what);
  void output(const std::string& name, const Dims&, const std::string& what);

  /// They return `name`. A name that is there already stands for the same constant, and nothing is added.
  std::string constant(const std::string& name, const Tensor& f32);
  std::string constant(const std::string& name, const Shape&, const std::vector<float>&);
  std::string constant(const std::string& name, const std::vector<i64>&);
  /// A short list of integers, named by what it holds.
  std::string integers(const std::vector<i64>&);
  /// A number, named by its value.
  std::string number(float value);

  /// Adds a node and returns the name of its one output, a fresh one unless it is given. An input "" is one left out.
  std::string node(const std::string& op, const std::vector<std::string>& inputs, const Attributes& = {},
                   const std::string& output = "");

  /// The file, with `what` for its reader. The graph is spent.
  std::string finish(const std::string& name, const std::string& what);

 private:
  bool is_new(const std::string& constant) { return constants_.insert(constant).second; }

  i64 opset_;
  ProtoMessage nodes_, initializers_, inputs_, outputs_;  // fields of GraphProto
  std::set<std::string> constants_;
  int nodes_made_ = 0;
};

}  // namespace md
