// A traced forward pass as ONNX nodes. A map of ours is [N,H,W,C]; in the graph it may stand as that ("last": linear
// layers, layer norm, attention) or as [N,C,H,W] ("first": convolutions, pooling), and is transposed where an op wants
// the other. A batch norm that alone reads a convolution goes into its weights.
#pragma once
#include <any>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/module.h"
#include "tools/onnx/onnx_file.h"
#include "tools/onnx/onnx_graph.h"

namespace md {

/// An op that a forward pass ran: its name and attributes as record() was told them, its result and inputs.
struct TracedOp {
  std::string name;
  std::any attributes;
  Tensor y;
  std::vector<Tensor> inputs;
};

/// An input or output of the graph: a map as [N,C,H,W], another tensor in its own shape.
struct OnnxTerminal {
  Tensor tensor;
  std::string name, what;
};

class OnnxWriter {
 public:
  /// `net` owns the constants: parameters and buffers, under its names. What it traces is one image.
  OnnxWriter(OnnxGraph&, const Module& net, const OnnxFile&);
  /// Of all that was traced what leads to the result. Inputs that it does not read are left out. Throws
  /// ErrorKind::usage naming the first op that has no ONNX form, or none for images of any size.
  void write(const std::vector<TracedOp>&, const std::vector<OnnxTerminal>& inputs, const OnnxTerminal& result);

 private:
  using Names = std::vector<std::string>;
  using Write = void (OnnxWriter::*)(const TracedOp&);
  struct Value {
    std::string first, last;  // "": not in the graph in that order
  };
  static const std::map<std::string, Write>& forms();

  /// A batch norm as a product and a sum, and what follows it.
  struct Norm {
    std::vector<double> scale, shift;  // [C]
    Activation act;
  };

  std::vector<const TracedOp*> needed_for(const Tensor& result, const std::vector<TracedOp>&);

  // Values.
  Value& value(const Tensor&);
  std::string first(const Tensor&);
  std::string last(const Tensor&);
  void set_first(const Tensor& y, const std::string& name) { values_[y.impl()].first = name; }
  void set_last(const Tensor& y, const std::string& name) { values_[y.impl()].last = name; }
  /// The one order in which all of them are there already, as far as there is one.
  bool stand_first(const std::vector<Tensor>&);
  Names in_order(const std::vector<Tensor>&, bool first);
  void set(const Tensor& y, const std::string& name, bool first) { first ? set_first(y, name) : set_last(y, name); }

  // The file.
  OnnxGraph::Dims dims(const Shape& traced) const;
  std::string normalised(const std::string& image);
  void needs_one_size(const TracedOp&) const;

  // Constants.
  const Module::Entry& entry(const Tensor&) const;
  std::string weight(const Tensor&);       // in PyTorch's layout
  std::string per_channel(const Tensor&);  // [C] as [C,1,1]
  const TracedOp* norm_behind(const TracedOp& convolution) const;
  static Norm norm_of(const TracedOp& batch_norm);
  /// x scale + shift, [C] each, as constants NAME.scale and NAME.shift.
  std::string affine(const std::string& x, const std::string& name, const std::vector<float>& scale,
                     const std::vector<float>& shift);
  std::string activated(const std::string& x, const Activation&);
  std::string plus_residual(const std::string& x, const TracedOp&);

  // Ops, one function for each that is more than a node of the same meaning.
  void adaptive_avg_pool(const TracedOp&);
  void avg_pool(const TracedOp&);
  void batch_norm(const TracedOp&);
  void concat(const TracedOp&);
  void conv2d(const TracedOp&);
  void crop(const TracedOp&);
  void gelu(const TracedOp&);
  void group_norm(const TracedOp&);
  void hardsigmoid(const TracedOp&);
  void l2_normalize(const TracedOp&);
  void layer_norm(const TracedOp&);
  void linear(const TracedOp&);
  void local_planar_guidance(const TracedOp&);
  void max_pool(const TracedOp&);
  void merge_patches(const TracedOp&);
  void multiply_channels(const TracedOp&);
  void pad_reflect(const TracedOp&);
  void pixel_shuffle(const TracedOp&);
  void plane_equation(const TracedOp&);
  void pointwise(const TracedOp&);
  void reshape(const TracedOp&);
  void scale(const TracedOp&);
  void slice_channels(const TracedOp&);
  void mean_over_pixels(const TracedOp&);
  void upsample(const TracedOp&);
  void upsample_conv2d(const TracedOp&);
  void window_attention(const TracedOp&);

  OnnxGraph& graph_;
  const OnnxFile file_;
  std::map<const TensorImpl*, Module::Entry> entries_;
  std::map<const TensorImpl*, Value> values_;
  std::map<const TensorImpl*, std::vector<const TracedOp*>> readers_;
};

}  // namespace md
