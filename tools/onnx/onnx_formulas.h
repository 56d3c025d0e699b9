// The ops of this project that are several nodes in ONNX: attention in windows, and the guidance by planes of BTS. Each
// takes and returns names of values in a graph; layers/<op>.cpp has what they compute.
#pragma once
#include "layers/ops.h"
#include "tools/onnx/onnx_file.h"
#include "tools/onnx/onnx_graph.h"

namespace md {

/// Elements [begin, end) along an axis.
std::string onnx_slice(OnnxGraph&, const std::string& x, i64 axis, i64 begin, i64 end);

/// ReduceMean, ReduceL2 and their like along one axis, which stays with length 1.
std::string onnx_reduce(OnnxGraph&, const std::string& op, const std::string& x, i64 axis);

/// Clip(x / 6 + 1/2, 0, 1). OpenCV takes HardSigmoid(q) x for HardSwish(q), whatever x is; this it leaves.
std::string onnx_hard_sigmoid(OnnxGraph&, const std::string& x);
/// x Clip(x / 6 + 1/2, 0, 1).
std::string onnx_hard_swish(OnnxGraph&, const std::string& x);

/// Of the last axis, with weights [C].
struct OnnxNorm {
  std::string gamma, beta;
  float eps = 0;
};
/// (x - mean) / sqrt(variance + eps) * gamma + beta.
std::string onnx_layer_norm(OnnxGraph&, const std::string& x, const OnnxNorm&);

/// A map [N,C,h,w] made `scale_factor` times as large or, where that is 0, [N,C,H,W].
struct OnnxResize {
  OnnxBatch batch = {};
  double scale_factor = 0;
  i64 h = 0, w = 0, C = 0, H = 0, W = 0;
  bool nearest = true;  // or bilinear:
  Corners corners = Corners::half_pixel;
  /// That a factor says it exactly, so that the file needs no size.
  bool by_ratio() const {
    const auto exact = [](i64 to, i64 from) { return double(float(to) / float(from)) * double(from) == double(to); };
    return scale_factor > 0 || (exact(H, h) && exact(W, w));
  }
};
/// Adds the nodes; the name of the result.
std::string onnx_resize(OnnxGraph&, const std::string& x, const OnnxResize&);

/// [N,C r^2,h,w] -> [N,C,h*r,w*r], layers/pixel_shuffle.cpp.
struct OnnxShuffle {
  OnnxBatch batch = {};
  i64 C = 0, h = 0, w = 0, r = 0;
};
/// Reshape, Transpose, Reshape: IREE scrambles DepthToSpace in the mode CRD.
std::string onnx_pixel_shuffle(OnnxGraph&, const std::string& x, const OnnxShuffle&);

/// Swin's attention of one layer, layers/ops.h window_attention().
struct OnnxWindowAttention {
  OnnxBatch batch = {};
  WindowSpec spec;
  Shape map;                    // [1,H,W,C], the result's of one image
  std::string qkv, v, padding;  // as window_attention takes them, in that layout; v "" where qkv has it
  std::string bias_name;
  Tensor bias_table;
};
/// Adds the nodes of the attention; the name of the result [N,H,W,C].
std::string onnx_window_attention(OnnxGraph&, const OnnxWindowAttention&);

/// logits [N,3,h,w] -> plane [N,4,h,w].
std::string onnx_plane_equation(OnnxGraph&, const std::string& logits, float max_distance_m);
/// plane [N,4,h,w] -> depth [N,1,h*r,w*r].
std::string onnx_local_planar_guidance(OnnxGraph&, const std::string& plane, i64 r);

}  // namespace md
