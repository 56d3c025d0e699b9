// The descriptors of one graph, from tensors to operations.
#include "engine/cuda/conv_graph.h"

#include <array>

namespace md::cuda {
namespace {

using Dims = std::array<i64, 4>;

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

}  // namespace

std::vector<Fusion> fusions(const ConvProblem& p) {
  const bool act = is_maximum(p.spec.act);
  // An activation that stays outside wants a pass over y, which the bias then joins for free.
  const bool bias = p.bias && (act || p.spec.act.kind == Act::none);
  if (bias || act) return {{bias, act}, {}};
  return {{}};
}

std::optional<Descriptor> conv_graph(const ConvProblem& p, Fusion fused) {
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

}  // namespace md::cuda
