// Field numbers are those of onnx/onnx.proto3.
#include "tools/onnx/onnx_graph.h"

#include <iomanip>
#include <limits>
#include <sstream>

namespace md {
namespace {

/// The oldest version of the file format whose readers know the operators (onnx/docs/Versioning.md).
i64 ir_version(i64 opset) { return opset < 15 ? 7 : 8; }

enum TensorType : std::uint8_t { kFloat = 1, kInt64 = 7 };

ProtoMessage tensor(const std::string& name, const Shape& shape, TensorType type, std::string_view raw) {
  ProtoMessage message;
  for (int axis = 0; axis < shape.rank(); ++axis) message.integer(1, shape[axis]);
  message.integer(2, type).bytes(8, name).bytes(9, raw);
  return message;
}

template <class T>
std::string_view raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// ValueInfoProto of a float tensor.
ProtoMessage value_info(const std::string& name, const OnnxGraph::Dims& shape, const std::string& what) {
  ProtoMessage dims, tensor_type, type, info;
  for (const OnnxGraph::Dim& dim : shape) {
    const auto* const length = std::get_if<i64>(&dim);
    dims.message(1, length ? ProtoMessage().integer(1, *length) : ProtoMessage().bytes(2, std::get<std::string>(dim)));
  }
  tensor_type.integer(1, kFloat).message(2, dims);
  type.message(1, tensor_type);
  info.bytes(1, name).message(2, type).bytes(3, what);
  return info;
}

/// AttributeProto; field 20 is the kind of the value.
ProtoMessage attribute(const std::string& name, const OnnxGraph::Attribute& value) {
  ProtoMessage message;
  message.bytes(1, name);
  if (const auto* number = std::get_if<float>(&value)) return message.real(2, *number).integer(20, 1);
  if (const auto* integer = std::get_if<i64>(&value)) return message.integer(3, *integer).integer(20, 2);
  if (const auto* text = std::get_if<std::string>(&value)) return message.bytes(4, *text).integer(20, 3);
  for (const i64 each : std::get<std::vector<i64>>(value)) message.integer(8, each);
  return message.integer(20, 7);
}

}  // namespace

void OnnxGraph::input(const std::string& name, const Dims& shape, const std::string& what) {
  inputs_.message(11, value_info(name, shape, what));
}

void OnnxGraph::output(const std::string& name, const Dims& shape, const std::string& what) {
  outputs_.message(12, value_info(name, shape, what));
}

std::string OnnxGraph::constant(const std::string& name, const Tensor& f32) {
  if (is_new(name)) {
    const std::string_view bytes(static_cast<const char*>(f32.raw()), f32.bytes());
    initializers_.message(5, tensor(name, f32.shape(), kFloat, bytes));
  }
  return name;
}

std::string OnnxGraph::constant(const std::string& name, const Shape& shape, const std::vector<float>& values) {
  if (is_new(name)) initializers_.message(5, tensor(name, shape, kFloat, raw(values)));
  return name;
}

std::string OnnxGraph::constant(const std::string& name, const std::vector<i64>& values) {
  if (is_new(name)) initializers_.message(5, tensor(name, {i64(values.size())}, kInt64, raw(values)));
  return name;
}

std::string OnnxGraph::integers(const std::vector<i64>& values) {
  std::string name = "integers";
  for (const i64 value : values) name += cat("_", value);
  return constant(name, values);
}

std::string OnnxGraph::number(float value) {
  std::ostringstream name;
  name << "number_" << std::setprecision(std::numeric_limits<float>::max_digits10) << value;
  return constant(name.str(), {}, {value});
}

std::string OnnxGraph::node(const std::string& op, const std::vector<std::string>& inputs, const Attributes& attributes,
                            const std::string& output) {
  const std::string made = output.empty() ? cat(op, "_", ++nodes_made_) : output;
  ProtoMessage message;
  for (const std::string& input : inputs) message.bytes(1, input);
  message.bytes(2, made).bytes(3, made).bytes(4, op);
  for (const auto& [name, value] : attributes) message.message(5, attribute(name, value));
  nodes_.message(1, message);
  return made;
}

std::string OnnxGraph::finish(const std::string& name, const std::string& what) {
  ProtoMessage opset, model, graph = std::move(initializers_);  // weights may be a gigabyte: they are copied once
  graph.append(nodes_).bytes(2, name).append(inputs_).append(outputs_);
  opset.bytes(1, "").integer(2, opset_);
  model.integer(1, ir_version(opset_)).bytes(2, "metricdepth").bytes(3, MD_VERSION).bytes(6, what);
  return std::move(model.message(8, opset).message(7, graph)).encoded();
}

}  // namespace md
