#include "tools/onnx/onnx_formulas.h"

#include <cmath>
#include <numbers>

#include "engine/windows.h"

namespace md {
namespace {

/// Where the tokens of a map lie in its windows. To pad, roll and cut a map into windows is one Gather, and the way
/// back another.
struct WindowIndex {
  std::vector<i64> of_windows;  // for each token of each window the map's token, or H*W beyond the edge
  std::vector<i64> of_map;      // for each token of the map its place in the windows
};

WindowIndex window_index(const Windows& windows, i64 tokens) {
  WindowIndex index{{}, std::vector<i64>(std::size_t(tokens))};
  for (i64 window = 0; window < windows.count(); ++window) {
    for (i64 t = 0; t < kWindowTokens; ++t) {
      const i64 token = windows.token(window, t);
      if (token >= 0) index.of_map[std::size_t(token)] = i64(index.of_windows.size());
      index.of_windows.push_back(token >= 0 ? token : tokens);
    }
  }
  return index;
}

/// [windows,1,49,49]: what keeps apart tokens that only the roll made neighbours.
std::vector<float> window_mask(const Windows& windows) {
  std::vector<float> mask;
  for (i64 window = 0; window < windows.count(); ++window) {
    for (i64 query = 0; query < kWindowTokens; ++query) {
      for (i64 key = 0; key < kWindowTokens; ++key)
        mask.push_back(windows.region(window, query) == windows.region(window, key) ? 0.F : kMaskedScore);
    }
  }
  return mask;
}

/// [1,heads,49,49] from the table [169,heads].
std::vector<float> spread_bias(const Tensor& table) {
  const i64 heads = table.dim(1);
  std::vector<float> bias;
  for (i64 head = 0; head < heads; ++head) {
    for (i64 query = 0; query < kWindowTokens; ++query) {
      for (i64 key = 0; key < kWindowTokens; ++key)
        bias.push_back(table.data()[distance_row(query, key) * heads + head]);
    }
  }
  return bias;
}

/// [width] as [N,1,width], beside `like` [N,...].
std::string in_each_image(OnnxGraph& graph, const std::string& row, i64 width, const std::string& like,
                          const OnnxBatch& batch) {
  const std::string one = graph.node("Reshape", {row, graph.integers({1, 1, width})});
  if (batch.images == 1) return one;
  if (batch.images > 1) return graph.node("Expand", {one, graph.integers({batch.images, 1, width})});
  const std::string images = onnx_slice(graph, graph.node("Shape", {like}), 0, 0, 1);
  return graph.node("Expand", {one, graph.node("Concat", {images, graph.integers({1, 1})}, {{"axis", i64{0}}})});
}

struct Masking {
  std::string name;
  i64 heads;
  OnnxBatch batch;
};

/// scores [N*windows,heads,49,49] and the mask of each window. More images than one must stand apart for it.
std::string masked(OnnxGraph& graph, const std::string& scores, const Windows& windows, const Masking& how) {
  constexpr i64 kTokens = kWindowTokens;
  const i64 count = windows.count();
  const std::string mask = graph.constant(how.name, {count, 1, kTokens, kTokens}, window_mask(windows));
  if (how.batch.images == 1) return graph.node("Add", {scores, mask});
  const std::string apart =
      graph.node("Reshape", {scores, graph.integers({how.batch.rows(1), count, how.heads, kTokens, kTokens})});
  return graph.node("Reshape", {graph.node("Add", {apart, mask}),
                                graph.integers({how.batch.rows(count), how.heads, kTokens, kTokens})});
}

}  // namespace

std::string onnx_slice(OnnxGraph& graph, const std::string& x, i64 axis, i64 begin, i64 end) {
  return graph.node("Slice", {x, graph.integers({begin}), graph.integers({end}), graph.integers({axis})});
}

std::string onnx_reduce(OnnxGraph& graph, const std::string& op, const std::string& x, i64 axis) {
  if (graph.opset() >= 18) return graph.node(op, {x, graph.integers({axis})}, {{"keepdims", i64{1}}});
  return graph.node(op, {x}, {{"axes", std::vector<i64>{axis}}, {"keepdims", i64{1}}});
}

std::string onnx_hard_sigmoid(OnnxGraph& graph, const std::string& x) {
  const std::string sixth = graph.node("Mul", {x, graph.number(1.F / 6)});
  const std::string moved = graph.node("Add", {sixth, graph.number(0.5F)});
  return graph.node("Clip", {moved, graph.number(0.F), graph.number(1.F)});
}

std::string onnx_hard_swish(OnnxGraph& graph, const std::string& x) {
  if (graph.opset() >= 14) return graph.node("HardSwish", {x});
  return graph.node("Mul", {x, onnx_hard_sigmoid(graph, x)});
}

std::string onnx_layer_norm(OnnxGraph& graph, const std::string& x, const OnnxNorm& norm) {
  if (graph.opset() >= 17)
    return graph.node("LayerNormalization", {x, norm.gamma, norm.beta}, {{"axis", i64{-1}}, {"epsilon", norm.eps}});
  const std::string centred = graph.node("Sub", {x, onnx_reduce(graph, "ReduceMean", x, -1)});
  const std::string variance = onnx_reduce(graph, "ReduceMean", graph.node("Mul", {centred, centred}), -1);
  const std::string deviation = graph.node("Sqrt", {graph.node("Add", {variance, graph.number(norm.eps)})});
  const std::string scaled = graph.node("Mul", {graph.node("Div", {centred, deviation}), norm.gamma});
  return graph.node("Add", {scaled, norm.beta});
}

// One row stays what it is at any height, and Expand says so; OpenCV 5.0.0 resizes one row to other numbers.
std::string onnx_resize(OnnxGraph& graph, const std::string& x, const OnnxResize& how) {
  if (!how.nearest && how.scale_factor == 0 && how.h == 1 && how.H > 1) {
    OnnxResize rest = how;
    rest.h = how.H;
    if (how.w == 1) rest.w = how.W;
    const std::string spread = graph.node("Expand", {x, graph.integers({1, 1, rest.h, rest.w})});
    return rest.w == how.W ? spread : onnx_resize(graph, spread, rest);
  }
  const auto ratio = [&how](i64 to, i64 from) {
    return how.scale_factor > 0 ? float(how.scale_factor) : float(to) / float(from);
  };
  const float down = ratio(how.H, how.h), right = ratio(how.W, how.w);
  std::vector<std::string> inputs = {x, ""};
  if (how.by_ratio()) {
    inputs.push_back(graph.constant(cat("scales_", down, "_", right), {4}, {1.F, 1.F, down, right}));
  } else if (how.batch.images > 0) {
    inputs.insert(inputs.end(), {"", graph.integers({how.batch.images, how.C, how.H, how.W})});
  } else {
    const std::string kept = onnx_slice(graph, graph.node("Shape", {x}), 0, 0, 2);
    inputs.insert(inputs.end(), {"", graph.node("Concat", {kept, graph.integers({how.H, how.W})}, {{"axis", i64{0}}})});
  }
  if (how.nearest)
    return graph.node(
        "Resize", inputs,
        {{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
  const char* const corners = how.corners == Corners::align ? "align_corners" : "half_pixel";
  return graph.node("Resize", inputs, {{"mode", "linear"}, {"coordinate_transformation_mode", corners}});
}

std::string onnx_pixel_shuffle(OnnxGraph& graph, const std::string& x, const OnnxShuffle& how) {
  const i64 r = how.r, n = how.batch.images;
  const std::string split = graph.node("Reshape", {x, graph.integers({n, how.C, r, r, how.h, how.w})});
  const std::string beside = graph.node("Transpose", {split}, {{"perm", std::vector<i64>{0, 1, 4, 2, 5, 3}}});
  return graph.node("Reshape", {beside, graph.integers({n, how.C, how.h * r, how.w * r})});
}

// A map's tokens in its windows are [N,windows*49,channels]; the attention itself takes [N*windows,heads,49,d].
std::string onnx_window_attention(OnnxGraph& graph, const OnnxWindowAttention& a) {
  const i64 H = a.map[1], W = a.map[2], C = a.map[3], heads = a.spec.heads, d = C / heads, n = a.batch.images;
  const Windows windows({1, H, W, C}, a.spec.shift);
  const i64 count = windows.count();
  const WindowIndex index = window_index(windows, H * W);
  const std::string place = cat("_", H, "x", W, "_shift_", a.spec.shift);
  const std::string into = graph.constant("into_windows" + place, index.of_windows),
                    back = graph.constant("out_of_windows" + place, index.of_map);

  const auto in_windows = [&](const std::string& map, const std::string& beyond, i64 width) {
    const std::string tokens = graph.node("Reshape", {map, graph.integers({n, H * W, width})});
    const std::string row = in_each_image(graph, beyond, width, tokens, a.batch);
    return graph.node("Gather", {graph.node("Concat", {tokens, row}, {{"axis", i64{1}}}), into}, {{"axis", i64{1}}});
  };
  /// Channels [part*C, part*C + C) as [N*windows,heads,49,d], or with `order` otherwise.
  const auto by_heads = [&](const std::string& rows, i64 part, const std::vector<i64>& order) {
    const std::string channels = onnx_slice(graph, rows, 2, part * C, (part + 1) * C);
    const std::string split =
        graph.node("Reshape", {channels, graph.integers({a.batch.rows(count), kWindowTokens, heads, d})});
    return graph.node("Transpose", {split}, {{"perm", order}});
  };
  const bool own_values = a.v.empty();
  const std::string rows = in_windows(a.qkv, a.padding, own_values ? 3 * C : 2 * C);
  const auto values = [&] {
    if (own_values) return by_heads(rows, 2, {0, 2, 1, 3});
    const std::string zeros = graph.constant(cat("zeros_", C), {C}, std::vector<float>(std::size_t(C)));
    return by_heads(in_windows(a.v, zeros, C), 0, {0, 2, 1, 3});
  };
  const std::string q = by_heads(rows, 0, {0, 2, 1, 3}), k = by_heads(rows, 1, {0, 2, 3, 1}), v = values();

  const std::string scaled = graph.node("Mul", {q, graph.number(1.F / std::sqrt(float(d)))});
  const std::string bias =
      graph.constant(a.bias_name, {1, heads, kWindowTokens, kWindowTokens}, spread_bias(a.bias_table));
  std::string scores = graph.node("Add", {graph.node("MatMul", {scaled, k}), bias});
  if (a.spec.shift > 0) scores = masked(graph, scores, windows, {"window_mask" + place, heads, a.batch});
  const std::string weights = graph.node("Softmax", {scores}, {{"axis", i64{-1}}});
  const std::string mixed =
      graph.node("Transpose", {graph.node("MatMul", {weights, v})}, {{"perm", std::vector<i64>{0, 2, 1, 3}}});
  const std::string tokens =
      graph.node("Reshape", {mixed, graph.integers({a.batch.rows(1), count * kWindowTokens, C})});
  const std::string on_map = graph.node("Gather", {tokens, back}, {{"axis", i64{1}}});
  return graph.node("Reshape", {on_map, graph.integers({n, H, W, C})});
}

std::string onnx_plane_equation(OnnxGraph& graph, const std::string& logits, float max_distance_m) {
  constexpr float kPi = std::numbers::pi_v<float>;
  const std::string squashed = graph.node("Sigmoid", {logits});
  const auto channel = [&](i64 c, float times) {
    return graph.node("Mul", {onnx_slice(graph, squashed, 1, c, c + 1), graph.number(times)});
  };
  const std::string theta = channel(0, kPi / 3), phi = channel(1, 2 * kPi), distance_m = channel(2, max_distance_m);
  const std::string outward = graph.node("Sin", {theta});
  const std::string n1 = graph.node("Mul", {outward, graph.node("Cos", {phi})}),
                    n2 = graph.node("Mul", {outward, graph.node("Sin", {phi})}), n3 = graph.node("Cos", {theta});
  return graph.node("Concat", {n1, n2, n3, distance_m}, {{"axis", i64{1}}});
}

// Each plane's r x r pixels as its channels, which become pixels after. With one channel left, DepthToSpace's modes
// agree.
std::string onnx_local_planar_guidance(OnnxGraph& graph, const std::string& plane, i64 r) {
  const auto offset = [r](i64 i) { return (float(i) - 0.5F * float(r - 1)) / float(r); };
  std::vector<float> across, downward;
  for (i64 i = 0; i < r; ++i) {
    for (i64 j = 0; j < r; ++j) {
      across.push_back(offset(j));
      downward.push_back(offset(i));
    }
  }
  const std::string u = graph.constant(cat("lpg_columns_", r), {1, r * r, 1, 1}, across),
                    v = graph.constant(cat("lpg_rows_", r), {1, r * r, 1, 1}, downward);
  const auto n = [&](i64 c) { return onnx_slice(graph, plane, 1, c, c + 1); };
  const std::string sum = graph.node("Add", {graph.node("Mul", {n(0), u}), graph.node("Mul", {n(1), v})});
  const std::string depth_m = graph.node("Div", {n(3), graph.node("Add", {sum, n(2)})});
  return graph.node("DepthToSpace", {depth_m}, {{"blocksize", r}, {"mode", "DCR"}});
}

}  // namespace md
