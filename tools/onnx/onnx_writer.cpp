#include "tools/onnx/onnx_writer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <ranges>

#include "data/augment.h"
#include "tools/onnx/onnx_formulas.h"

namespace md {
namespace {

constexpr i64 kChannelsFirst = 1, kChannelsLast = -1;

std::vector<i64> both(const PerAxis& p) { return {p.h, p.w}; }

Shape channels_first(const Shape& s) { return s.rank() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s; }

}  // namespace

OnnxWriter::OnnxWriter(OnnxGraph& graph, const Module& net, const OnnxFile& file) : graph_(graph), file_(file) {
  for (const auto& list : {net.parameters(), net.buffers()})
    for (const Module::Entry& entry : list) entries_[entry.tensor.impl()] = entry;
}

/// In the order in which they ran.
std::vector<const TracedOp*> OnnxWriter::needed_for(const Tensor& result, const std::vector<TracedOp>& trace) {
  std::vector<const TracedOp*> needed;
  std::set<const TensorImpl*> wanted = {result.impl()};
  for (const TracedOp& op : trace | std::views::reverse) {
    if (!wanted.contains(op.y.impl())) continue;
    needed.push_back(&op);
    for (const Tensor& input : op.inputs) {
      wanted.insert(input.impl());
      readers_[input.impl()].push_back(&op);
    }
  }
  std::ranges::reverse(needed);
  return needed;
}

void OnnxWriter::write(const std::vector<TracedOp>& trace, const std::vector<OnnxTerminal>& inputs,
                       const OnnxTerminal& result) {
  const std::vector<const TracedOp*> needed = needed_for(result.tensor, trace);
  for (const auto& [tensor, name, what] : inputs) {
    if (!readers_.contains(tensor.impl())) continue;
    const bool map = tensor.shape().rank() == 4;
    graph_.input(name, dims(tensor.shape()), what);
    set(tensor, map && file_.with_normalisation ? normalised(name) : name, map);
  }
  for (const TracedOp* op : needed) {
    const auto form = forms().find(op->name);
    if (form == forms().end()) fail(ErrorKind::usage, "export: the op '", op->name, "' has no ONNX form");
    if (!values_.contains(op->y.impl())) (this->*form->second)(*op);  // else it went into the convolution before it
  }
  graph_.node("Identity", {first(result.tensor)}, {}, result.name);
  graph_.output(result.name, dims(result.tensor.shape()), result.what);
}

OnnxGraph::Dims OnnxWriter::dims(const Shape& traced) const {
  const Shape shape = channels_first(traced);
  OnnxGraph::Dims dims = {file_.batch.images};
  for (int axis = 1; axis < shape.rank(); ++axis) dims.emplace_back(shape[axis]);
  if (file_.batch.images == 0) dims[0] = "batch";
  if (file_.any_size && dims.size() == 4) {
    dims[2] = "height";
    dims[3] = "width";
  }
  return dims;
}

/// (value / 255 - mean) / deviation as one product and one sum.
std::string OnnxWriter::normalised(const std::string& image) {
  std::vector<float> scale, shift;
  for (std::size_t c = 0; c < kImageNetMean.size(); ++c) {
    scale.push_back(float(1 / (255 * double(kImageNetDeviation[c]))));
    shift.push_back(float(-double(kImageNetMean[c]) / double(kImageNetDeviation[c])));
  }
  return affine(image, "normalisation", scale, shift);
}

void OnnxWriter::needs_one_size(const TracedOp& op) const {
  if (file_.any_size)
    fail(ErrorKind::usage, "export: the op '", op.name, "' is written for one size of image, so a file for any size ",
         "cannot hold it; give --size HEIGHTxWIDTH");
}

/// What an op is in ONNX: a node of the same meaning for each element ("pointwise"), or a function.
const std::map<std::string, OnnxWriter::Write>& OnnxWriter::forms() {
  static const std::map<std::string, Write> all = {
      {"adaptive_avg_pool", &OnnxWriter::adaptive_avg_pool},
      {"add", &OnnxWriter::pointwise},
      {"avg_pool", &OnnxWriter::avg_pool},
      {"batch_norm", &OnnxWriter::batch_norm},
      {"concat", &OnnxWriter::concat},
      {"conv2d", &OnnxWriter::conv2d},
      {"crop", &OnnxWriter::crop},
      {"elu", &OnnxWriter::pointwise},
      {"gelu", &OnnxWriter::gelu},
      {"group_norm", &OnnxWriter::group_norm},
      {"hardsigmoid", &OnnxWriter::hardsigmoid},
      {"l2_normalize", &OnnxWriter::l2_normalize},
      {"layer_norm", &OnnxWriter::layer_norm},
      {"linear", &OnnxWriter::linear},
      {"local_planar_guidance", &OnnxWriter::local_planar_guidance},
      {"max_pool", &OnnxWriter::max_pool},
      {"merge_patches", &OnnxWriter::merge_patches},
      {"multiply_channels", &OnnxWriter::multiply_channels},
      {"pad_reflect", &OnnxWriter::pad_reflect},
      {"pixel_shuffle", &OnnxWriter::pixel_shuffle},
      {"plane_equation", &OnnxWriter::plane_equation},
      {"relu", &OnnxWriter::pointwise},
      {"reshape", &OnnxWriter::reshape},
      {"scale", &OnnxWriter::scale},
      {"sigmoid", &OnnxWriter::pointwise},
      {"slice_channels", &OnnxWriter::slice_channels},
      {"mean_over_pixels", &OnnxWriter::mean_over_pixels},
      {"upsample_bilinear", &OnnxWriter::upsample},
      {"upsample_concat", &OnnxWriter::upsample},
      {"upsample_conv2d", &OnnxWriter::upsample_conv2d},
      {"upsample_nearest", &OnnxWriter::upsample},
      {"window_attention", &OnnxWriter::window_attention},
  };
  return all;
}

// ---- Values ----

OnnxWriter::Value& OnnxWriter::value(const Tensor& t) {
  const auto found = values_.find(t.impl());
  MD_CHECK(found != values_.end(), "export: an op reads ", t.shape(), ", which no op before it made");
  return found->second;
}

std::string OnnxWriter::first(const Tensor& t) {
  Value& v = value(t);
  if (v.first.empty()) v.first = graph_.node("Transpose", {v.last}, {{"perm", std::vector<i64>{0, 3, 1, 2}}});
  return v.first;
}

std::string OnnxWriter::last(const Tensor& t) {
  Value& v = value(t);
  if (v.last.empty()) v.last = graph_.node("Transpose", {v.first}, {{"perm", std::vector<i64>{0, 2, 3, 1}}});
  return v.last;
}

bool OnnxWriter::stand_first(const std::vector<Tensor>& tensors) {
  const auto there = [&](std::string Value::*order) {
    return std::ranges::all_of(tensors, [&](const Tensor& t) { return !(value(t).*order).empty(); });
  };
  return there(&Value::first) || !there(&Value::last);
}

OnnxWriter::Names OnnxWriter::in_order(const std::vector<Tensor>& tensors, bool in_first) {
  Names names;
  for (const Tensor& t : tensors) names.push_back(in_first ? first(t) : last(t));
  return names;
}

// ---- Constants ----

const Module::Entry& OnnxWriter::entry(const Tensor& t) const {
  const auto found = entries_.find(t.impl());
  MD_CHECK(found != entries_.end(), "export: an op reads a weight ", t.shape(), " that is not the network's");
  return found->second;
}

std::string OnnxWriter::weight(const Tensor& t) {
  const Module::Entry& it = entry(t);
  return graph_.constant(it.name, to_torch(t, it.layout));
}

std::string OnnxWriter::per_channel(const Tensor& t) {
  return graph_.constant(entry(t).name, t.detach().reshape({t.dim(0), 1, 1}));
}

std::string OnnxWriter::affine(const std::string& x, const std::string& name, const std::vector<float>& scale,
                               const std::vector<float>& shift) {
  const Shape shape{i64(scale.size()), 1, 1};
  const std::string scaled = graph_.node("Mul", {x, graph_.constant(name + ".scale", shape, scale)});
  return graph_.node("Add", {scaled, graph_.constant(name + ".shift", shape, shift)});
}

std::string OnnxWriter::activated(const std::string& x, const Activation& act) {
  switch (act.kind) {
    case Act::none:
      return x;
    case Act::relu:
      return graph_.node("Relu", {x});
    case Act::hardswish:
      return onnx_hard_swish(graph_, x);
    case Act::leaky_relu:
      return graph_.node("LeakyRelu", {x}, {{"alpha", act.slope}});
    case Act::elu:
      return graph_.node("Elu", {x});
    case Act::sigmoid:
      return graph_.node("Sigmoid", {x});
    case Act::hardsigmoid:
      return onnx_hard_sigmoid(graph_, x);
  }
  fail(ErrorKind::contract, "export: no such activation");
}

// ---- Convolutions and norms ----

/// The batch norm that alone reads a convolution's output.
const TracedOp* OnnxWriter::norm_behind(const TracedOp& convolution) const {
  const auto readers = readers_.find(convolution.y.impl());
  if (readers == readers_.end() || readers->second.size() != 1 || readers->second[0]->name != "batch_norm")
    return nullptr;
  const TracedOp& norm = *readers->second[0];
  const bool bare = std::any_cast<Conv2dSpec>(convolution.attributes).act.kind == Act::none &&
                    norm.inputs[0].impl() == convolution.y.impl();
  const bool sum_is_there = norm.inputs.size() == 3 || values_.contains(norm.inputs[3].impl());
  return bare && convolution.inputs.size() == 3 && sum_is_there ? &norm : nullptr;
}

/// A batch norm as it stands after training: x scale + shift, channel by channel.
OnnxWriter::Norm OnnxWriter::norm_of(const TracedOp& op) {
  const auto [state, spec] = std::any_cast<std::pair<BatchNormState, BatchNormSpec>>(op.attributes);
  const float *const gamma = op.inputs[1].data(), *const beta = op.inputs[2].data();
  Norm norm{{}, {}, spec.act};
  for (i64 c = 0; c < op.inputs[1].dim(0); ++c) {
    const double scale = double(gamma[c]) / std::sqrt(double(state.running_var.data()[c]) + spec.eps);
    norm.scale.push_back(scale);
    norm.shift.push_back(beta[c] - scale * state.running_mean.data()[c]);
  }
  return norm;
}

void OnnxWriter::conv2d(const TracedOp& op) {
  const auto spec = std::any_cast<Conv2dSpec>(op.attributes);
  const Module::Entry& kernel = entry(op.inputs[1]);
  const Tensor w = to_torch(kernel.tensor, kernel.layout);  // a copy
  std::vector<float> bias = op.inputs[2] ? op.inputs[2].to_host() : std::vector<float>{};
  Activation act = spec.act;
  const TracedOp* const behind = norm_behind(op);
  if (behind) {
    const Norm norm = norm_of(*behind);
    act = norm.act;
    bias.resize(norm.scale.size());
    const std::size_t taps = std::size_t(w.numel()) / bias.size();
    for (std::size_t o = 0; o < bias.size(); ++o) {
      for (float& tap : std::span(w.data() + o * taps, taps)) tap = float(norm.scale[o] * tap);
      bias[o] = float(norm.scale[o] * bias[o] + norm.shift[o]);
    }
  }
  Names inputs = {first(op.inputs[0]), graph_.constant(kernel.name, w)};
  if (!bias.empty()) inputs.push_back(graph_.constant(kernel.name + ".bias", {w.dim(0)}, bias));
  const std::string y = graph_.node("Conv", inputs,
                                    {{"kernel_shape", std::vector<i64>{w.dim(2), w.dim(3)}},
                                     {"strides", both(spec.stride)},
                                     {"pads", std::vector<i64>{spec.pad.h, spec.pad.w, spec.pad.h, spec.pad.w}},
                                     {"dilations", both(spec.dilation)},
                                     {"group", i64{spec.groups}}});
  const TracedOp& whole = behind ? *behind : op;
  set_first(whole.y, activated(plus_residual(y, whole), act));
}

/// Of a convolution or a batch norm: its fourth input, if it has one.
std::string OnnxWriter::plus_residual(const std::string& x, const TracedOp& op) {
  return op.inputs.size() > 3 ? graph_.node("Add", {x, first(op.inputs[3])}) : x;
}

void OnnxWriter::upsample_conv2d(const TracedOp& op) {
  const std::string twice = onnx_resize(graph_, first(op.inputs[0]), {.scale_factor = 2});
  const std::string y = graph_.node("Conv", {twice, weight(op.inputs[1])},
                                    {{"kernel_shape", std::vector<i64>{3, 3}}, {"pads", std::vector<i64>{1, 1, 1, 1}}});
  set_first(op.y, activated(y, std::any_cast<Activation>(op.attributes)));
}

void OnnxWriter::linear(const TracedOp& op) {
  const Tensor& w = op.inputs[1];
  const i64 O = w.dim(0), I = w.dim(1);
  std::vector<float> transposed;
  for (i64 i = 0; i < I; ++i)
    for (i64 o = 0; o < O; ++o) transposed.push_back(w.data()[o * I + i]);
  std::string y =
      graph_.node("MatMul", {last(op.inputs[0]), graph_.constant(entry(w).name + ".transposed", {I, O}, transposed)});
  if (op.inputs[2]) y = graph_.node("Add", {y, weight(op.inputs[2])});
  set_last(op.y, y);
}

/// As a product and a sum: OpenCV 5 moves a BatchNormalization over the activation before it.
void OnnxWriter::batch_norm(const TracedOp& op) {
  const Norm norm = norm_of(op);
  const std::string y =
      affine(first(op.inputs[0]), entry(op.inputs[1]).name, std::vector<float>(norm.scale.begin(), norm.scale.end()),
             std::vector<float>(norm.shift.begin(), norm.shift.end()));
  set_first(op.y, activated(plus_residual(y, op), norm.act));
}

void OnnxWriter::layer_norm(const TracedOp& op) {
  set_last(op.y, onnx_layer_norm(graph_, last(op.inputs[0]),
                                 {weight(op.inputs[1]), weight(op.inputs[2]), std::any_cast<float>(op.attributes)}));
}

/// An instance norm of [N,groups,rest], and the affine map after.
void OnnxWriter::group_norm(const TracedOp& op) {
  needs_one_size(op);
  const auto [groups, eps] = std::any_cast<std::pair<i64, float>>(op.attributes);
  const Shape map = channels_first(op.y.shape());
  const i64 n = file_.batch.images;
  const std::string grouped = graph_.node("Reshape", {first(op.inputs[0]), graph_.integers({n, groups, -1})});
  const std::string ones = graph_.constant(cat("ones_", groups), {groups}, std::vector<float>(groups, 1.F));
  const std::string zeros = graph_.constant(cat("zeros_", groups), {groups}, std::vector<float>(groups, 0.F));
  const std::string normal = graph_.node("InstanceNormalization", {grouped, ones, zeros}, {{"epsilon", eps}});
  const std::string x = graph_.node("Reshape", {normal, graph_.integers({n, map[1], map[2], map[3]})});
  const std::string scaled = graph_.node("Mul", {x, per_channel(op.inputs[1])});
  set_first(op.y, graph_.node("Add", {scaled, per_channel(op.inputs[2])}));
}

void OnnxWriter::l2_normalize(const TracedOp& op) {
  const std::string x = first(op.inputs[0]);
  const std::string length = onnx_reduce(graph_, "ReduceL2", x, kChannelsFirst);
  const std::string eps = graph_.number(std::any_cast<float>(op.attributes));
  set_first(op.y, graph_.node("Div", {x, graph_.node("Max", {length, eps})}));
}

// ---- Pointwise ----

void OnnxWriter::pointwise(const TracedOp& op) {
  static const std::map<std::string, std::pair<std::string, OnnxGraph::Attributes>> nodes = {
      {"add", {"Add", {}}},
      {"elu", {"Elu", {}}},
      {"relu", {"Relu", {}}},
      {"sigmoid", {"Sigmoid", {}}},
  };
  const auto& [node, attributes] = nodes.at(op.name);
  const bool order = stand_first(op.inputs);
  set(op.y, graph_.node(node, in_order(op.inputs, order), attributes), order);
}

// x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2.
void OnnxWriter::gelu(const TracedOp& op) {
  const bool order = stand_first(op.inputs);
  const std::string x = in_order(op.inputs, order)[0];
  const std::string scaled = graph_.node("Mul", {x, graph_.number(1 / std::numbers::sqrt2_v<float>)});
  const std::string twice_phi = graph_.node("Add", {graph_.node("Erf", {scaled}), graph_.number(1.F)});
  const std::string half = graph_.node("Mul", {x, graph_.number(0.5F)});
  set(op.y, graph_.node("Mul", {half, twice_phi}), order);
}

void OnnxWriter::hardsigmoid(const TracedOp& op) {
  const bool order = stand_first(op.inputs);
  set(op.y, onnx_hard_sigmoid(graph_, in_order(op.inputs, order)[0]), order);
}

void OnnxWriter::scale(const TracedOp& op) {
  const bool order = stand_first(op.inputs);
  const std::string factor = graph_.number(std::any_cast<float>(op.attributes));
  set(op.y, graph_.node("Mul", {in_order(op.inputs, order)[0], factor}), order);
}

void OnnxWriter::multiply_channels(const TracedOp& op) {
  const bool order = stand_first(op.inputs);
  set(op.y, graph_.node("Mul", in_order(op.inputs, order)), order);
}

// ---- Shapes and places ----

void OnnxWriter::reshape(const TracedOp& op) {
  MD_CHECK(op.y.dim(0) == 1 && op.inputs[0].dim(0) == 1, "export: a reshape that mixes images: ", op.y.shape());
  if (op.y.numel() > 1) needs_one_size(op);
  std::vector<i64> dims = {file_.batch.images};
  for (int axis = 1; axis < op.y.shape().rank(); ++axis) dims.push_back(op.y.dim(axis));
  set_last(op.y, graph_.node("Reshape", {last(op.inputs[0]), graph_.integers(dims)}));
}

void OnnxWriter::concat(const TracedOp& op) {
  const bool order = stand_first(op.inputs);
  const i64 axis = order ? kChannelsFirst : kChannelsLast;
  set(op.y, graph_.node("Concat", in_order(op.inputs, order), {{"axis", axis}}), order);
}

void OnnxWriter::slice_channels(const TracedOp& op) {
  const i64 begin = std::any_cast<i64>(op.attributes);
  set_first(op.y, onnx_slice(graph_, first(op.inputs[0]), kChannelsFirst, begin, begin + op.y.dim(3)));
}

void OnnxWriter::crop(const TracedOp& op) {
  needs_one_size(op);
  const std::string rows = onnx_slice(graph_, first(op.inputs[0]), 2, 0, op.y.dim(1));
  set_first(op.y, onnx_slice(graph_, rows, 3, 0, op.y.dim(2)));
}

void OnnxWriter::pad_reflect(const TracedOp& op) {
  needs_one_size(op);
  const auto pad = [&](const std::string& x, int axis) {
    const i64 from = op.inputs[0].dim(axis), more = op.y.dim(axis) - from;
    std::vector<i64> pads(8);
    pads[std::size_t(4 + axis + 1)] = more;  // at the end of that axis of [N,C,H,W]
    return graph_.node("Pad", {x, graph_.integers(pads)}, {{"mode", more < from ? "reflect" : "edge"}});
  };
  set_first(op.y, pad(pad(first(op.inputs[0]), 1), 2));
}

void OnnxWriter::upsample(const TracedOp& op) {
  const auto how = std::any_cast<Interpolation>(op.attributes);
  const OnnxResize resize{.batch = file_.batch,
                          .scale_factor = how.scale_factor,
                          .h = op.inputs[0].dim(1),
                          .w = op.inputs[0].dim(2),
                          .C = op.inputs[0].dim(3),
                          .H = op.y.dim(1),
                          .W = op.y.dim(2),
                          .nearest = op.name == "upsample_nearest",
                          .corners = how.corners};
  if (!resize.by_ratio()) needs_one_size(op);
  const std::string enlarged = onnx_resize(graph_, first(op.inputs[0]), resize);
  const bool beside = op.inputs.size() > 1;
  set_first(op.y,
            beside ? graph_.node("Concat", {enlarged, first(op.inputs[1])}, {{"axis", kChannelsFirst}}) : enlarged);
}

void OnnxWriter::max_pool(const TracedOp& op) {
  const auto [kernel, stride, pad] = std::any_cast<PoolSpec>(op.attributes);
  set_first(op.y, graph_.node("MaxPool", {first(op.inputs[0])},
                              {{"kernel_shape", std::vector<i64>{kernel, kernel}},
                               {"strides", std::vector<i64>{stride, stride}},
                               {"pads", std::vector<i64>{pad, pad, pad, pad}}}));
}

void OnnxWriter::avg_pool(const TracedOp& op) {
  const auto [kernel, stride, pad] = std::any_cast<PoolSpec>(op.attributes);
  set_first(op.y, graph_.node("AveragePool", {first(op.inputs[0])},
                              {{"kernel_shape", std::vector<i64>{kernel, kernel}},
                               {"strides", std::vector<i64>{stride, stride}},
                               {"pads", std::vector<i64>{pad, pad, pad, pad}}}));
}

void OnnxWriter::mean_over_pixels(const TracedOp& op) {
  set_first(op.y, graph_.node("GlobalAveragePool", {first(op.inputs[0])}));
}

/// Cell by cell: the bins of layers/adaptive_avg_pool.cpp differ in size.
void OnnxWriter::adaptive_avg_pool(const TracedOp& op) {
  needs_one_size(op);
  const auto along = [&](const std::string& x, int axis) {
    const i64 from = op.inputs[0].dim(axis), to = op.y.dim(axis), there = axis + 1;
    Names cells;
    for (i64 i = 0; i < to; ++i) {
      const std::string bin = onnx_slice(graph_, x, there, i * from / to, ((i + 1) * from + to - 1) / to);
      cells.push_back(onnx_reduce(graph_, "ReduceMean", bin, there));
    }
    return graph_.node("Concat", cells, {{"axis", there}});
  };
  set_first(op.y, along(along(first(op.inputs[0]), 1), 2));
}

void OnnxWriter::pixel_shuffle(const TracedOp& op) {
  needs_one_size(op);
  const i64 h = op.inputs[0].dim(1), w = op.inputs[0].dim(2);
  set_first(op.y, onnx_pixel_shuffle(graph_, first(op.inputs[0]),
                                     {.batch = file_.batch, .C = op.y.dim(3), .h = h, .w = w, .r = op.y.dim(1) / h}));
}

void OnnxWriter::merge_patches(const TracedOp& op) {
  needs_one_size(op);
  const i64 h = op.y.dim(1), w = op.y.dim(2), C = op.inputs[0].dim(3);
  MD_CHECK((op.inputs[0].shape() == Shape{1, 2 * h, 2 * w, C}), "export: merge_patches of ", op.inputs[0].shape());
  const std::string cells =
      graph_.node("Reshape", {last(op.inputs[0]), graph_.integers({file_.batch.rows(h), 2, w, 2, C})});
  const std::string beside = graph_.node("Transpose", {cells}, {{"perm", std::vector<i64>{0, 2, 3, 1, 4}}});
  set_last(op.y, graph_.node("Reshape", {beside, graph_.integers({file_.batch.rows(1), h, w, 4 * C})}));
}

// ---- Ops that are formulas in ONNX ----

void OnnxWriter::window_attention(const TracedOp& op) {
  needs_one_size(op);
  const Tensor &qkv = op.inputs[0], &v = op.inputs[1], &padding = op.inputs[2], &bias_table = op.inputs[3];
  set_last(op.y, onnx_window_attention(graph_, {.batch = file_.batch,
                                                .spec = std::any_cast<WindowSpec>(op.attributes),
                                                .map = op.y.shape(),
                                                .qkv = last(qkv),
                                                .v = v ? last(v) : "",
                                                .padding = weight(padding),
                                                .bias_name = entry(bias_table).name,
                                                .bias_table = bias_table}));
}

void OnnxWriter::plane_equation(const TracedOp& op) {
  set_first(op.y, onnx_plane_equation(graph_, first(op.inputs[0]), std::any_cast<float>(op.attributes)));
}

void OnnxWriter::local_planar_guidance(const TracedOp& op) {
  set_first(op.y, onnx_local_planar_guidance(graph_, first(op.inputs[0]), op.y.dim(1) / op.inputs[0].dim(1)));
}

}  // namespace md
