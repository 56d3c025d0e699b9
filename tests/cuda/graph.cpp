#include "tests/cuda/graph.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/cuda/product.h"

namespace md::doubles {
namespace {

using Json = nlohmann::json;

DType dtype_of(const std::string& name) {
  if (name == "CUDNN_DATA_FLOAT") return DType::f32;
  MD_CHECK(name == "CUDNN_DATA_BFLOAT16", "plan: ", name);
  return DType::bf16;
}

/// "CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR" -> "CONVOLUTION_FORWARD"
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  MD_CHECK(text.starts_with(begin) && text.ends_with(end), "plan: ", text);
  return text.substr(begin.size(), text.size() - begin.size() - end.size());
}

GraphNode node_of(const Json& json) {
  GraphNode node;
  node.operation = between(json.at("operation"), "CUDNN_BACKEND_OPERATION_", "_DESCRIPTOR");
  MD_CHECK(json.at("mathPrec") == "CUDNN_DATA_FLOAT", "plan: computes in ", json.at("mathPrec"));
  for (const char* factor : {"alpha", "alpha1", "alpha2"}) MD_CHECK(json.value(factor, 1.0) == 1.0, "plan: ", factor);
  MD_CHECK(json.value("beta", 0.0) == 0.0, "plan: beta");
  for (const char* role : {"X", "W", "Y", "dX", "dW", "dY", "B"}) {
    if (json.contains(role)) node.tensors[role] = json[role];
  }
  if (node.operation == "POINTWISE") {
    node.operation = between(json.at("pointwiseMode"), "CUDNN_POINTWISE_", "");
  } else {
    MD_CHECK(json.at("mode") == "CUDNN_CROSS_CORRELATION", "plan: ", json.at("mode"));
    node.pad = json.at("pad").get<std::vector<i64>>();
    node.stride = json.at("stride").get<std::vector<i64>>();
    node.dilation = json.at("dilation").get<std::vector<i64>>();
  }
  return node;
}

/// y = f(x, b); b is a map, a number for each channel, or one for all.
const std::map<std::string, double (*)(double, double)>& pointwise() {
  static const std::map<std::string, double (*)(double, double)> it = {
      {"ADD", [](double x, double b) { return x + b; }},
      {"MUL", [](double x, double b) { return x * b; }},
      {"MAX", [](double x, double b) { return std::fmax(x, b); }},  // the other of a NaN: cuDNN promises no more
  };
  return it;
}

i64 count(const GraphTensor& t) { return t.dims[0] * t.dims[1] * t.dims[2] * t.dims[3]; }

float read(const void* at, DType dtype, i64 index) {
  if (dtype == DType::f32) return static_cast<const float*>(at)[index];
  return std::bit_cast<float>(std::uint32_t{static_cast<const std::uint16_t*>(at)[index]} << 16U);
}

void write(void* at, DType dtype, i64 index, float value) {
  if (dtype == DType::f32) {
    static_cast<float*>(at)[index] = value;
    return;
  }
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t nearest_even = bits + 0x7FFFU + (bits >> 16U & 1U);
  static_cast<std::uint16_t*>(at)[index] = static_cast<std::uint16_t>(nearest_even >> 16U);
}

/// Calls visit(place in Numbers, place in memory) for every element.
template <class Visit>
void for_each_element(const GraphTensor& t, const Visit& visit) {
  i64 place = 0;
  for (i64 n = 0; n < t.dims[0]; ++n) {
    for (i64 h = 0; h < t.dims[2]; ++h) {
      for (i64 w = 0; w < t.dims[3]; ++w) {
        for (i64 c = 0; c < t.dims[1]; ++c, ++place) {
          visit(std::size_t(place), n * t.strides[0] + c * t.strides[1] + h * t.strides[2] + w * t.strides[3]);
        }
      }
    }
  }
}

/// A convolution x [N,H,W,C] -> y [N,OH,OW,O] or one of its gradients, group by group. What lies under the filter at
/// some places of y is a matrix [places,K], its taps in a row; with that, all three are products of matrices.
class Convolution {
 public:
  Convolution(const GraphNode& node, const GraphTensor& x, const GraphTensor& w, const GraphTensor& y)
      : node_(node),
        C_(x.dims[1]),
        H_(x.dims[2]),
        W_(x.dims[3]),
        O_(w.dims[0]),
        I_(w.dims[1]),
        kw_(w.dims[3]),
        taps_(w.dims[2] * kw_),
        OH_(y.dims[2]),
        OW_(y.dims[3]),
        all_places_(x.dims[0] * OH_ * OW_) {
    MD_CHECK(C_ % I_ == 0 && O_ % (C_ / I_) == 0, "plan: ", C_, " channels in, ", O_, " out, ", I_, " each");
  }

  /// Adds to that of the three which the node computes.
  void run(Numbers& x, Numbers& w, Numbers& y) {
    constexpr i64 kAtOnce = 512;  // places: their matrix stays in the cache
    for (i64 group = 0; group < C_ / I_; ++group) {
      for (i64 begin = 0; begin < all_places_; begin += kAtOnce)
        run({group, begin, std::min(begin + kAtOnce, all_places_)}, x, w, y);
    }
  }

 private:
  /// Places [begin, end) of a group.
  struct Part {
    i64 group, begin, end;
  };

  void run(const Part& part, Numbers& x, Numbers& w, Numbers& y) {
    const i64 places = part.end - part.begin, K = taps_ * I_, outputs = O_ / (C_ / I_);
    double *const filter = w.data() + part.group * outputs * K, *const out =
                                                                    y.data() + part.begin * O_ + part.group * outputs;
    taps_of_places_.assign(std::size_t(places * K), 0.);
    double* const matrix = taps_of_places_.data();
    if (node_.operation == "CONVOLUTION_BACKWARD_DATA") {
      multiply(places, K, outputs, {out, O_, 1}, {filter, K, 1}, matrix, K);
      for_each_tap(part, [&](i64 tap, i64 pixel) {
        for (i64 i = 0; i < I_; ++i) x[std::size_t(pixel + i)] += matrix[tap + i];
      });
      return;
    }
    for_each_tap(part, [&](i64 tap, i64 pixel) { std::copy_n(x.data() + pixel, I_, matrix + tap); });
    if (node_.operation == "CONVOLUTION_FORWARD")
      return multiply(places, outputs, K, {matrix, K, 1}, {filter, 1, K}, out, O_);
    MD_CHECK(node_.operation == "CONVOLUTION_BACKWARD_FILTER", "plan: ", node_.operation);
    multiply(outputs, K, places, {out, 1, O_}, {matrix, K, 1}, filter, K);
  }

  /// Calls visit(first of I elements in the matrix, first in x) for every tap that is not in the padding.
  template <class Visit>
  void for_each_tap(const Part& part, const Visit& visit) const {
    for (i64 place = part.begin; place < part.end; ++place) {
      const i64 n = place / (OH_ * OW_), oy = place / OW_ % OH_, ox = place % OW_;
      for (i64 tap = 0; tap < taps_; ++tap) {
        const i64 iy = oy * node_.stride[0] - node_.pad[0] + tap / kw_ * node_.dilation[0];
        const i64 ix = ox * node_.stride[1] - node_.pad[1] + tap % kw_ * node_.dilation[1];
        if (iy < 0 || iy >= H_ || ix < 0 || ix >= W_) continue;
        visit(((place - part.begin) * taps_ + tap) * I_, ((n * H_ + iy) * W_ + ix) * C_ + part.group * I_);
      }
    }
  }

  const GraphNode& node_;
  i64 C_, H_, W_, O_, I_, kw_, taps_, OH_, OW_, all_places_;
  Numbers taps_of_places_;
};

}  // namespace

i64 GraphTensor::extent_bytes() const {
  i64 last = 0;
  for (std::size_t d = 0; d < dims.size(); ++d) last += (dims[d] - 1) * strides[d];
  return (last + 1) * static_cast<i64>(size_of(dtype));
}

const std::string& GraphNode::output() const {
  if (operation == "CONVOLUTION_BACKWARD_DATA") return tensors.at("dX");
  return tensors.at(operation == "CONVOLUTION_BACKWARD_FILTER" ? "dW" : "Y");
}

Graph::Graph(const std::string& plan_json) {
  const Json graph = Json::parse(plan_json).at("operationGraph");
  for (const Json& t : graph.at("tensors")) {
    GraphTensor& tensor = tensors_[t.at("name")];
    tensor.dtype = dtype_of(t.at("dataType"));
    tensor.dims = t.at("dim").get<std::vector<i64>>();
    tensor.strides = t.at("stride").get<std::vector<i64>>();
    tensor.alignment = t.at("ptrAlignment");
    tensor.by_value = t.at("isByValue").get<bool>();
    tensor.in_memory = !tensor.by_value && !t.at("isVirtual").get<bool>();
    MD_CHECK(tensor.dims.size() == 4 && (!tensor.by_value || count(tensor) == 1), "plan: a tensor that is no map");
  }
  for (const Json& node : graph.at("nodes")) nodes_.push_back(node_of(node));
}

bool Graph::writes(const std::string& tensor) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const GraphNode& n) { return n.output() == tensor; });
}

void Graph::convolve(const GraphNode& node, std::map<std::string, Numbers>& numbers) const {
  const auto tensor = [&](const char* role, const char* gradient) {
    const auto found = node.tensors.find(role);
    return found != node.tensors.end() ? found->second : node.tensors.at(gradient);
  };
  const std::string x_name = tensor("X", "dX"), w_name = tensor("W", "dW"), y_name = tensor("Y", "dY");
  Convolution(node, tensors_.at(x_name), tensors_.at(w_name), tensors_.at(y_name))
      .run(numbers.at(x_name), numbers.at(w_name), numbers.at(y_name));
}

void Graph::compute(const std::map<std::string, void*>& addresses) const {
  std::map<std::string, Numbers> numbers;
  for (const auto& [name, tensor] : tensors_) {
    Numbers& v = numbers[name];
    v.resize(std::size_t(count(tensor)));
    if (writes(name)) continue;
    for_each_element(tensor, [&, from = addresses.at(name), type = tensor.dtype](std::size_t i, i64 at) {
      v[i] = double(read(from, type, at));
    });
  }
  for (const GraphNode& node : nodes_) {
    if (const auto function = pointwise().find(node.operation); function != pointwise().end()) {
      const Numbers &x = numbers.at(node.tensors.at("X")), &b = numbers.at(node.tensors.at("B"));
      Numbers& y = numbers.at(node.tensors.at("Y"));
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = function->second(x[i], b[i % b.size()]);
    } else {
      convolve(node, numbers);
    }
  }
  for (const auto& [name, address] : addresses) {
    if (!writes(name)) continue;
    for_each_element(tensors_.at(name), [&, to = address, type = tensors_.at(name).dtype](std::size_t i, i64 at) {
      write(to, type, at, float(numbers.at(name)[i]));
    });
  }
}

}  // namespace md::doubles
