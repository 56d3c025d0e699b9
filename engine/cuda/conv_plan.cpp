#include "engine/cuda/conv_plan.h"

#include <algorithm>
#include <optional>

namespace md::cuda {
namespace {

using Dims = std::array<i64, 4>;

/// Bytes. Engines that want more are passed over.
constexpr std::size_t kMostWorkspace = std::size_t{512} << 20;

/// How much of bias and activation the graph takes along. Engines that take leaky_relu are compiled at run time, which
/// wants a driver.
struct Fusion {
  bool bias, act;
};

cudnnDataType_t data_type(DType t) { return t == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

/// cuDNN counts dimensions as N C H W, whatever their order in memory is; ours is N H W C.
Descriptor tensor(const ConvProblem& p, i64 id, const Dims& nhwc, bool in_memory = true) {
  const auto [N, H, W, C] = nhwc;
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, in_memory ? data_type(p.dtype) : CUDNN_DATA_FLOAT)
      .set_list(CUDNN_ATTR_TENSOR_DIMENSIONS, Dims{N, C, H, W})
      .set_list(CUDNN_ATTR_TENSOR_STRIDES, Dims{H * W * C, 1, W * C, C})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, p.alignment)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, !in_memory)
      .finalize();
  return t;
}

Descriptor window(const ConvProblem& p) {
  const auto hw = [](PerAxis a) { return std::array<i64, 2>{a.h, a.w}; };
  const std::array<i64, 2> pads = hw(p.spec.pad);
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, i64{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set_list(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pads)
      .set_list(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pads)
      .set_list(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, hw(p.spec.stride))
      .set_list(CUDNN_ATTR_CONVOLUTION_DILATIONS, hw(p.spec.dilation))
      .finalize();
  return d;
}

/// The names of one pass's attributes.
struct ConvNames {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, window, alpha, beta;
};

ConvNames names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::data_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::weight_gradient:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

Descriptor convolution(const ConvProblem& p, const Descriptor& y) {
  const ConvNames name = names_of(p.pass);
  Descriptor d(name.operation);
  d.set(name.x, tensor(p, tensor_id::x, p.x))
      .set(name.w, tensor(p, tensor_id::w, p.w))
      .set(name.y, y)
      .set(name.window, window(p))
      .set(name.alpha, 1.F)
      .set(name.beta, 0.F)
      .finalize();
  return d;
}

/// A number that execution gives, from the host's memory.
Descriptor scalar(i64 id) {
  constexpr Dims kOne{1, 1, 1, 1};
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set_list(CUDNN_ATTR_TENSOR_DIMENSIONS, kOne)
      .set_list(CUDNN_ATTR_TENSOR_STRIDES, kOne)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, i64{sizeof(float)})
      .set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true)
      .finalize();
  return t;
}

/// to = mode(a, b), b the same for all or a number for each channel.
Descriptor pointwise(cudnnPointwiseMode_t mode, const Descriptor& a, const Descriptor& b, const Descriptor& to) {
  Descriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR), d(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  how.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finalize();
  d.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to)
      .finalize();
  return d;
}

/// leaky_relu(z) = max(z, slope z), for these slopes. cuDNN's own ReLU may make 0 of NaN, which nobody would notice;
/// the larger of two NaN can only be NaN. Other activations are the caller's pass over y.
bool is_maximum(const Activation& act) { return act.kind == Act::leaky_relu && act.slope > 0.F && act.slope <= 1.F; }

/// y = conv(x, w), then + bias, then leaky_relu, with what stands between them never in memory. Empty where cuDNN does
/// not know such a graph.
std::optional<Descriptor> graph(const ConvProblem& p, Fusion fused) {
  if (fused.act && !is_maximum(p.spec.act)) return std::nullopt;
  constexpr i64 kFirstVirtual = 100;
  const int steps = 1 + fused.bias + fused.act;
  std::vector<Descriptor> maps, operations;
  for (int i = 0; i < steps; ++i) {
    const bool last = i == steps - 1;
    maps.push_back(tensor(p, last ? tensor_id::y : kFirstVirtual + i, p.y, last));
  }
  std::size_t at = 0;
  operations.push_back(convolution(p, maps[0]));
  if (fused.bias) {
    const Descriptor bias = tensor(p, tensor_id::bias, {1, 1, 1, p.y[3]});
    operations.push_back(pointwise(CUDNN_POINTWISE_ADD, maps[at], bias, maps[at + 1]));
    ++at;
  }
  if (fused.act) {
    const Descriptor scaled = tensor(p, kFirstVirtual + steps, p.y, false);
    operations.push_back(pointwise(CUDNN_POINTWISE_MUL, maps[at], scalar(tensor_id::slope), scaled));
    operations.push_back(pointwise(CUDNN_POINTWISE_MAX, maps[at], scaled, maps[at + 1]));
  }
  Descriptor g(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  g.set_list(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
  if (!g.try_finalize()) return std::nullopt;
  return g;
}

/// What cuDNN's heuristics propose for the graph, best first.
std::vector<Descriptor> proposals(const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device) {
  Descriptor h(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  h.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  if (!h.try_finalize()) return {};
  return h.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

/// Two runs must give the same bits, and strict f32 must not lose any: tensor cores round f32 factors to TF32, and
/// Winograd's large tiles and the FFT trade digits for speed.
bool refused(const ConvProblem& p, cudnnBackendNumericalNote_t note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      return true;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      return p.dtype == DType::f32 && !p.tf32;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:  // to 16 bits, whose range gradients leave
      return p.dtype == DType::f32;
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
      return !p.tf32;
    default:
      return false;
  }
}

/// The plan of one proposal; empty where its engine is refused, does not run on the device or wants too much memory.
std::optional<ConvPlan> try_plan(const ConvProblem& p, Fusion fused, const Descriptor& proposal,
                                 const Descriptor& device) {
  const std::vector<Descriptor> engines =
      proposal.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  const auto notes = engines.at(0).get_list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
  if (std::any_of(notes.begin(), notes.end(), [&](auto note) { return refused(p, note); })) return std::nullopt;
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal).set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  if (!plan.try_finalize()) return std::nullopt;
  const auto bytes = static_cast<std::size_t>(plan.get<i64>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  if (bytes > kMostWorkspace) return std::nullopt;
  return ConvPlan{std::move(plan), bytes, fused.bias, fused.act, engines[0].get<i64>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX)};
}

std::optional<ConvPlan> first_plan(const ConvProblem& p, Fusion fused, const Descriptor& device) {
  const std::optional<Descriptor> g = graph(p, fused);
  if (!g) return std::nullopt;
  // Mode B takes longer than A, but names exact engines that A leaves to its last resort (a naive kernel).
  for (const auto mode : {CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const Descriptor& proposal : proposals(*g, mode, device)) {
      if (std::optional<ConvPlan> plan = try_plan(p, fused, proposal, device)) return plan;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string ConvProblem::str() const {
  static const char* const names[] = {"forward", "data gradient", "weight gradient"};
  const Shape x_shape{x[0], x[1], x[2], x[3]}, w_shape{w[0], w[1], w[2], w[3]};
  return cat(names[static_cast<int>(pass)], " ", tf32 ? "tf32" : name_of(dtype), " ", x_shape, " * ", w_shape,
             " stride ", spec.stride, " pad ", spec.pad, spec.dilation == 1 ? "" : cat(" dilation ", spec.dilation),
             " groups ", spec.groups, bias ? " + bias" : "",
             spec.act.kind == Act::none ? "" : cat(", ", name_of(spec.act.kind)));
}

ConvProblem describe_conv(ConvPass pass, const Conv2dSpec& spec, const Shape& x, const Shape& w, const Shape& y,
                          DType dtype) {
  const bool depthwise = w.rank() == 3;  // [kh,kw,C]
  ConvProblem p{.pass = pass,
                .spec = spec,
                .dtype = dtype,
                .x = {x[0], x[1], x[2], x[3]},
                .w = depthwise ? Dims{w[2], w[0], w[1], 1} : Dims{w[0], w[1], w[2], w[3]},
                .y = {y[0], y[1], y[2], y[3]}};
  if (pass != ConvPass::forward || spec.accumulate) p.spec.act = {};
  p.spec.accumulate = false;
  return p;
}

ConvPlan plan_conv(const ConvProblem& p, const Descriptor& device) {
  const bool act = p.spec.act.kind != Act::none;
  // An activation that stays outside wants a pass over y, which the bias then joins for free.
  for (const Fusion fused : {Fusion{p.bias, act}, Fusion{p.bias && !act, false}, Fusion{false, false}}) {
    if (std::optional<ConvPlan> plan = first_plan(p, fused, device)) return std::move(*plan);
  }
  fail(ErrorKind::no_device, "cuDNN ", cudnnGetVersion(), " has no deterministic engine for convolution ", p.str());
}

Descriptor device_properties(int index) {
  Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, std::int32_t{index}).finalize();
  return d;
}

}  // namespace md::cuda
