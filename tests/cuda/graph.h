// What an execution plan of cuDNN computes, read from the plan's own JSON and computed in double.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md::doubles {

using Numbers = std::vector<double>;  // of a tensor: N H W C, dense; weights O kh kw I

struct GraphTensor {
  DType dtype = DType::f32;
  std::vector<i64> dims, strides;  // N C H W, in elements; weights O I kh kw
  i64 alignment = 0;               // bytes
  bool in_memory = true;
  bool by_value = false;  // one float of the host
  i64 extent_bytes() const;
};

/// A convolution, one of its gradients, or an operation on each number.
struct GraphNode {
  std::string operation;  // CONVOLUTION_FORWARD, ..._BACKWARD_DATA, ..._BACKWARD_FILTER, ADD, MUL, MAX
  std::map<std::string, std::string> tensors;  // role (X, W, Y, dX, dW, dY, B) -> tensor
  std::vector<i64> pad, stride, dilation;      // along H, W
  const std::string& output() const;
};

class Graph {
 public:
  /// Throws md::Error on anything that it does not know.
  explicit Graph(const std::string& plan_json);

  const std::map<std::string, GraphTensor>& tensors() const { return tensors_; }  // by unique id
  bool writes(const std::string& tensor) const;
  /// Addresses by unique id, of all tensors in memory or by value.
  void compute(const std::map<std::string, void*>& addresses) const;

 private:
  void convolve(const GraphNode&, std::map<std::string, Numbers>& by_tensor) const;
  std::map<std::string, GraphTensor> tensors_;
  std::vector<GraphNode> nodes_;
};

}  // namespace md::doubles
