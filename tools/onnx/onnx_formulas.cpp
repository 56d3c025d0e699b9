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

}  // namespace

std::string onnx_slice(OnnxGraph& graph, const std::string& x, i64 axis, i64 begin, i64 end) {
  return graph.node("Slice", {x, graph.integers({begin}), graph.integers({end}), graph.integers({axis})});
}

std::string onnx_resize(OnnxGraph& graph, const std::string& x, const OnnxResize& how) {
  std::vector<std::string> inputs = {x, ""};
  if (how.scale_factor > 0) {
    const auto factor = float(how.scale_factor);
    inputs.push_back(graph.constant(cat("scales_", factor), {4}, {1.F, 1.F, factor, factor}));
  } else {
    inputs.emplace_back("");
    inputs.push_back(graph.integers({1, how.C, how.H, how.W}));
  }
  if (how.nearest)
    return graph.node(
        "Resize", inputs,
        {{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}});
  const char* const corners = how.corners == Corners::align ? "align_corners" : "half_pixel";
  return graph.node("Resize", inputs, {{"mode", "linear"}, {"coordinate_transformation_mode", corners}});
}

std::string onnx_window_attention(OnnxGraph& graph, const OnnxWindowAttention& a) {
  const i64 H = a.map[1], W = a.map[2], C = a.map[3], heads = a.spec.heads, d = C / heads;
  const Windows windows(a.map, a.spec.shift);
  const i64 count = windows.count();
  const WindowIndex index = window_index(windows, H * W);
  const std::string place = cat("_", H, "x", W, "_shift_", a.spec.shift);
  const std::string into = graph.constant("into_windows" + place, index.of_windows),
                    back = graph.constant("out_of_windows" + place, index.of_map);

  const auto in_windows = [&](const std::string& map, const std::string& beyond, i64 width) {
    const std::string tokens = graph.node("Reshape", {map, graph.integers({H * W, width})});
    const std::string row = graph.node("Reshape", {beyond, graph.integers({1, width})});
    return graph.node("Gather", {graph.node("Concat", {tokens, row}, {{"axis", i64{0}}}), into}, {{"axis", i64{0}}});
  };
  /// Channels [part*C, part*C + C) as [windows,heads,49,d], or with `order` otherwise.
  const auto by_heads = [&](const std::string& rows, i64 part, const std::vector<i64>& order) {
    const std::string channels = onnx_slice(graph, rows, 1, part * C, (part + 1) * C);
    const std::string split = graph.node("Reshape", {channels, graph.integers({count, kWindowTokens, heads, d})});
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
  if (a.spec.shift > 0) {
    const Shape shape{count, 1, kWindowTokens, kWindowTokens};
    scores = graph.node("Add", {scores, graph.constant("window_mask" + place, shape, window_mask(windows))});
  }
  const std::string weights = graph.node("Softmax", {scores}, {{"axis", i64{-1}}});
  const std::string mixed =
      graph.node("Transpose", {graph.node("MatMul", {weights, v})}, {{"perm", std::vector<i64>{0, 2, 1, 3}}});
  const std::string tokens = graph.node("Reshape", {mixed, graph.integers({count * kWindowTokens, C})});
  const std::string on_map = graph.node("Gather", {tokens, back}, {{"axis", i64{0}}});
  return graph.node("Reshape", {on_map, graph.integers({1, H, W, C})});
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

std::string onnx_local_planar_guidance(OnnxGraph& graph, const std::string& plane, i64 h, i64 w, i64 r) {
  const auto offsets = [r](i64 side) {
    std::vector<float> places;
    for (i64 i = 0; i < side; ++i) places.push_back((float(i % r) - 0.5F * float(r - 1)) / float(r));
    return places;
  };
  const i64 H = h * r, W = w * r;
  const std::string u = graph.constant(cat("lpg_columns_", W, "_", r), {1, 1, 1, W}, offsets(W)),
                    v = graph.constant(cat("lpg_rows_", H, "_", r), {1, 1, H, 1}, offsets(H));
  const std::string each_pixel = onnx_resize(graph, plane, {.scale_factor = double(r)});
  const auto n = [&](i64 c) { return onnx_slice(graph, each_pixel, 1, c, c + 1); };
  const std::string sum = graph.node("Add", {graph.node("Mul", {n(0), u}), graph.node("Mul", {n(1), v})});
  return graph.node("Div", {n(3), graph.node("Add", {sum, n(2)})});
}

}  // namespace md
