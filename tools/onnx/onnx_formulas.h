// The ops of this project that are several nodes in ONNX: attention in windows, and the guidance by planes of BTS. Each
// takes and returns names of values in a graph; layers/<op>.cpp has what they compute.
#pragma once
#include "layers/ops.h"
#include "tools/onnx/onnx_graph.h"

namespace md {

/// Elements [begin, end) along an axis.
std::string onnx_slice(OnnxGraph&, const std::string& x, i64 axis, i64 begin, i64 end);

/// A map [1,C,h,w] made `scale_factor` times as large or, where that is 0, [1,C,H,W].
struct OnnxResize {
  double scale_factor = 0;
  i64 C = 0, H = 0, W = 0;
  bool nearest = true;  // or bilinear:
  Corners corners = Corners::half_pixel;
};
std::string onnx_resize(OnnxGraph&, const std::string& x, const OnnxResize&);

/// Swin's attention of one layer, layers/ops.h window_attention().
struct OnnxWindowAttention {
  WindowSpec spec;
  Shape map;                    // [1,H,W,C], the result's
  std::string qkv, v, padding;  // as window_attention takes them, in that layout; v "" where qkv has it
  std::string bias_name;
  Tensor bias_table;
};
/// Adds the nodes of the attention; the name of the result [1,H,W,C].
std::string onnx_window_attention(OnnxGraph&, const OnnxWindowAttention&);

/// logits [1,3,h,w] -> plane [1,4,h,w].
std::string onnx_plane_equation(OnnxGraph&, const std::string& logits, float max_distance_m);
/// plane [1,4,h,w] -> depth [1,1,h*r,w*r].
std::string onnx_local_planar_guidance(OnnxGraph&, const std::string& plane, i64 h, i64 w, i64 r);

}  // namespace md
