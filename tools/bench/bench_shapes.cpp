#include "tools/bench/bench_shapes.h"

#include "layers/ops.h"
#include "losses/silog.h"

namespace md {
namespace {

using Inputs = std::vector<Tensor>;

/// Along one axis: how many taps of all outputs lie on the input. The others, on the padding, cost nothing; with a
/// large dilation they are many.
i64 taps(i64 size, int kernel, i64 stride, i64 pad, i64 dilation) {
  i64 count = 0;
  for (i64 first = -pad; first + (kernel - 1) * dilation < size + pad; first += stride) {
    for (i64 at = first; at <= first + (kernel - 1) * dilation; at += dilation) count += at >= 0 && at < size;
  }
  return count;
}

/// kernel x kernel; depthwise where groups > 1.
Op convolution_of(const std::string& name, const Shape& x, i64 out, int kernel, const Conv2dSpec& s) {
  const i64 C = x[3], G = s.groups;
  const auto taps_of = [&](int axis) { return taps(x[axis + 1], kernel, s.stride.h, s.pad.h, s.dilation.h); };
  return {"",
          name,
          {x, G > 1 ? Shape({kernel, kernel, C}) : Shape({out, kernel, kernel, C})},
          [s](const Inputs& in) { return conv2d(in[0], in[1], {}, s); },
          2. * double(x[0] * out * (C / G)) * double(taps_of(0) * taps_of(1)),
          C == 3};
}

/// Padded to keep the size, but for the stride.
Op convolution(const std::string& name, const Shape& x, i64 out, int kernel, Conv2dSpec spec = {}) {
  spec.pad = kernel / 2 * spec.dilation.h;
  return convolution_of(name, x, out, kernel, spec);
}

Op depthwise(const std::string& name, const Shape& x, int kernel, int stride = 1) {
  return convolution(name, x, x[3], kernel, {.stride = stride, .groups = int(x[3])});
}

Op dilated(int dilation) {
  return convolution(cat("conv2d 3x3 d", dilation, ", daspp"), {2, 52, 68, 256}, 128, 3, {.dilation = dilation});
}

/// Four 2x2 convolutions do the work of the 3x3 one.
Op up_convolution(const std::string& name, const Shape& x, i64 out) {
  return {"",
          name,
          {x, {out, 3, 3, x[3]}},
          [](const Inputs& in) { return upsample_conv2d(in[0], in[1]); },
          2. * 4 * double(x.numel()) * 4 * double(out)};
}

Op dense(const std::string& name, const Shape& x, i64 out) {
  const i64 C = x[x.rank() - 1];
  return {"",
          name,
          {x, {out, C}, {out}},
          [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
          2. * double(x.numel()) * double(out)};
}

/// `values`: the tokens have values of their own, beside a query and a key.
Op attention(const std::string& name, const Shape& x, int heads, bool own_values) {
  const i64 C = x[3], n = (own_values ? 3 : 2) * C;
  std::vector<Shape> inputs = {{x[0], x[1], x[2], n}, {n}, {(2 * kWindow - 1) * (2 * kWindow - 1), heads}};
  if (!own_values) inputs.push_back(x);
  const WindowSpec spec{heads, kWindow / 2};
  return {"", name, inputs,
          [spec](const Inputs& in) {
            return window_attention(in[0], in.size() > 3 ? in[3] : Tensor(), in[1], in[2], spec);
          },
          2. * 2 * double(x.numel()) * kWindow * kWindow};
}

Op normalisation(const std::string& name, const Shape& x, Act act) {
  const i64 C = x[3];
  const BatchNormState state{Tensor::zeros({C}), Tensor::full({C}, 1.F), 0.01F, true};
  return {"", name, {x, {C}, {C}}, [=](const Inputs& in) {
            return batch_norm(in[0], in[1], in[2], state, {.eps = 1e-3F, .act = {act}});
          }};
}

/// Of one input.
template <class F>
Op pointwise(const std::string& name, const Shape& x, const F& f) {
  return {"", name, {x}, [f](const Inputs& in) { return f(in[0]); }};
}

std::vector<Op> product() { return {dense("linear 1536^3", {1536, 1536}, 1536)}; }

std::vector<Op> lt() {
  const Shape half{4, 208, 272, 64}, gated{4, 52, 68, 120};
  const Tensor target_m = Tensor::full({4, 416, 544}, 2.F);
  return {
      convolution("conv2d 3x3 s2, stem", {4, 416, 544, 3}, 16, 3, {.stride = 2}),
      convolution("conv2d 3x3, up4.conv1", half, 32, 3),
      convolution("conv2d 3x3, up4.conv2", {4, 208, 272, 32}, 32, 3),
      convolution("conv2d 3x3, up3.conv1", {4, 104, 136, 88}, 48, 3),
      convolution("conv2d 3x3, up1.conv1", {4, 26, 34, 368}, 128, 3),
      convolution("conv2d 3x3, predict", {4, 208, 272, 32}, 1, 3),
      convolution("conv2d 1x1, expand", {4, 208, 272, 16}, 64, 1),
      convolution("conv2d 1x1, project", {4, 26, 34, 672}, 112, 1),
      depthwise("depthwise 3x3", {4, 208, 272, 16}, 3),
      depthwise("depthwise 3x3 s2", half, 3, 2),
      depthwise("depthwise 5x5", gated, 5),
      normalisation("batch_norm + relu", half, Act::relu),
      normalisation("batch_norm + hardswish", {4, 52, 68, 240}, Act::hardswish),
      pointwise("upsample_bilinear x2", {4, 104, 136, 48},
                [](const Tensor& x) { return upsample_bilinear(x, 208, 272); }),
      {"", "concat", {{4, 208, 272, 48}, {4, 208, 272, 16}}, [](const Inputs& in) { return concat(in); }},
      {"",
       "multiply_channels",
       {gated, {4, 1, 1, 120}},
       [](const Inputs& in) { return multiply_channels(in[0], in[1]); }},
      pointwise("adaptive_avg_pool 1x1", gated, [](const Tensor& x) { return adaptive_avg_pool(x, 1, 1); }),
      pointwise("sigmoid", {4, 208, 272, 1}, sigmoid),
      pointwise("silog", {4, 416, 544, 1}, [target_m](const Tensor& x) { return silog(x, target_m, {}); }),
  };
}

std::vector<Op> bts() {
  return {
      convolution("conv2d 7x7 s2, stem", {2, 416, 544, 3}, 64, 7, {.stride = 2}),
      convolution("conv2d 3x3, layer1", {2, 104, 136, 64}, 64, 3),
      convolution("conv2d 3x3 s2, layer2", {2, 104, 136, 128}, 128, 3, {.stride = 2}),
      convolution("conv2d 3x3, layer2", {2, 52, 68, 128}, 128, 3),
      convolution("conv2d 3x3, layer3", {2, 26, 34, 256}, 256, 3),
      convolution("conv2d 3x3, layer4", {2, 13, 17, 512}, 512, 3),
      convolution("conv2d 1x1, layer1", {2, 104, 136, 64}, 256, 1),
      convolution("conv2d 1x1 s2, layer2", {2, 104, 136, 256}, 512, 1, {.stride = 2}),
      convolution("conv2d 1x1, layer3", {2, 26, 34, 1024}, 256, 1),
      convolution("conv2d 1x1, layer4", {2, 13, 17, 512}, 2048, 1),
      up_convolution("upsample_conv2d, upconv5", {2, 13, 17, 2048}, 512),
      up_convolution("upsample_conv2d, upconv3", {2, 52, 68, 128}, 128),
      up_convolution("upsample_conv2d, upconv1", {2, 208, 272, 64}, 32),
      convolution("conv2d 3x3, conv5", {2, 26, 34, 1536}, 512, 3),
      convolution("conv2d 3x3, conv4", {2, 52, 68, 768}, 256, 3),
      convolution("conv2d 3x3, conv3", {2, 104, 136, 385}, 128, 3),
      convolution("conv2d 3x3, conv2", {2, 208, 272, 129}, 64, 3),
      convolution("conv2d 3x3, conv1", {2, 416, 544, 36}, 32, 3),
      convolution("conv2d 3x3, get_depth", {2, 416, 544, 32}, 1, 3),
      convolution("conv2d 1x1, daspp_24", {2, 52, 68, 1280}, 256, 1),
      dilated(3),
      dilated(6),
      dilated(12),
      dilated(18),
      dilated(24),
      convolution("conv2d 3x3, daspp_conv", {2, 52, 68, 896}, 128, 3),
      convolution("conv2d 1x1, reduc8x8", {2, 52, 68, 128}, 128, 1),
      convolution("conv2d 1x1, reduc1x1", {2, 416, 544, 32}, 16, 1),
      normalisation("batch_norm + relu", {2, 104, 136, 256}, Act::relu),
      pointwise("elu", {2, 416, 544, 32}, elu),
      pointwise("max_pool 3x3 s2", {2, 208, 272, 64},
                [](const Tensor& x) { return max_pool(x, {.kernel = 3, .stride = 2, .pad = 1}); }),
      pointwise("local_planar_guidance 8", {2, 52, 68, 4}, [](const Tensor& x) { return local_planar_guidance(x, 8); }),
  };
}

std::vector<Op> newcrfs() {
  const Shape stage1{1, 120, 160, 96}, stage3{1, 30, 40, 384}, stage4{1, 15, 20, 768}, crf0{1, 120, 160, 128};
  return {
      convolution_of("conv2d 4x4 s4, patches", {1, 480, 640, 3}, 96, 4, {.stride = 4}),
      dense("linear, stage 1 qkv", stage1, 288),
      dense("linear, stage 1 fc1", stage1, 384),
      dense("linear, stage 1 fc2", {1, 120, 160, 384}, 96),
      dense("linear, merging 1", {1, 60, 80, 384}, 192),
      dense("linear, stage 3 qkv", stage3, 1152),
      dense("linear, stage 3 proj", stage3, 384),
      dense("linear, stage 3 fc1", stage3, 1536),
      dense("linear, stage 3 fc2", {1, 30, 40, 1536}, 384),
      dense("linear, stage 4 fc1", stage4, 3072),
      dense("linear, crf0 qk", crf0, 256),
      dense("linear, crf0 fc1", crf0, 512),
      dense("linear, crf3 fc1", {1, 15, 20, 1024}, 4096),
      dense("linear, crf3 fc2", {1, 15, 20, 4096}, 1024),
      attention("window_attention, stage 1", stage1, 3, true),
      attention("window_attention, stage 3", stage3, 12, true),
      attention("window_attention, crf0", crf0, 4, false),
      convolution("conv2d 3x3, bottleneck", {1, 15, 20, 2816}, 512, 3),
      convolution("conv2d 3x3, crf3.proj_x", stage4, 1024, 3),
      convolution("conv2d 3x3, crf1.proj_x", {1, 60, 80, 192}, 256, 3),
      convolution("conv2d 3x3, crf0.proj_x", stage1, 128, 3),
      convolution("conv2d 3x3, disp_head1", crf0, 1, 3),
      {"", "layer_norm", {stage1, {96}, {96}}, [](const Inputs& in) { return layer_norm(in[0], in[1], in[2]); }},
      pointwise("gelu", {1, 120, 160, 384}, gelu),
      pointwise("pixel_shuffle 2", {1, 60, 80, 256}, [](const Tensor& x) { return pixel_shuffle(x, 2); }),
      pointwise("upsample_bilinear x4", {1, 120, 160, 1}, [](const Tensor& x) { return upsample_bilinear(x, 4.0); }),
  };
}

}  // namespace

std::vector<Op> op_shapes() {
  std::vector<Op> all;
  const std::pair<const char*, std::vector<Op>> parts[] = {
      {"none", product()}, {"LT", lt()}, {"BTS", bts()}, {"NeWCRFs", newcrfs()}};
  for (const auto& [network, ops] : parts) {
    for (const Op& op : ops) all.emplace_back(op).network = network;
  }
  return all;
}

}  // namespace md
