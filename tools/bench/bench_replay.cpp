#include "tools/bench/bench_replay.h"

#include <functional>
#include <map>
#include <utility>

#include "engine/check.h"
#include "layers/ops.h"
#include "losses/silog.h"

namespace md {
namespace {

using Inputs = std::vector<Tensor>;

/// An op of the table: its call, its details, and its flops where it is not bound by memory.
struct Replay {
  std::function<Tensor(const StepOp&, Inputs&)> run;
  std::function<std::string(const StepOp&)> details = {};
  std::function<double(const StepOp&)> flops = {};
};

template <class T>
T attributes(const StepOp& op) {
  return std::any_cast<T>(op.attributes);
}

/// Along one axis: how many taps of all outputs lie on the input. The others, on the padding, cost nothing; with a
/// large dilation they are many.
i64 taps(i64 size, i64 kernel, i64 stride, i64 pad, i64 dilation) {
  i64 count = 0;
  for (i64 first = -pad; first + (kernel - 1) * dilation < size + pad; first += stride) {
    for (i64 at = first; at <= first + (kernel - 1) * dilation; at += dilation) count += at >= 0 && at < size;
  }
  return count;
}

/// The kernel's two sides: w is [O,kh,kw,I/groups], or [kh,kw,C] where it is depthwise.
PerAxis kernel_of(const StepOp& op) {
  const Shape& w = op.inputs[1].shape;
  const int first = w.rank() == 4 ? 1 : 0;
  return {int(w[first]), int(w[first + 1])};
}

std::string with_act(const std::string& text, const Activation& act) {
  return act.kind == Act::none ? text : cat(text, text.empty() ? "" : " ", name_of(act.kind));
}

std::string convolution_details(const StepOp& op) {
  const auto s = attributes<Conv2dSpec>(op);
  const PerAxis kernel = kernel_of(op);
  std::string text = cat(kernel.h, "x", kernel.w);
  if (s.stride != PerAxis(1)) text += cat(" s", s.stride);
  if (s.dilation != PerAxis(1)) text += cat(" d", s.dilation);
  if (s.groups > 1) text += s.groups == op.y[3] ? " depthwise" : cat(" g", s.groups);
  return with_act(cat(text, " to ", op.y[3]), s.act) + (op.inputs.size() > 3 && op.inputs[3].given ? " + map" : "");
}

double convolution_flops(const StepOp& op) {
  const auto s = attributes<Conv2dSpec>(op);
  const PerAxis kernel = kernel_of(op);
  const Shape& x = op.inputs[0].shape;
  return 2. * double(x[0] * op.y[3] * (x[3] / s.groups)) *
         double(taps(x[1], kernel.h, s.stride.h, s.pad.h, s.dilation.h) *
                taps(x[2], kernel.w, s.stride.w, s.pad.w, s.dilation.w));
}

/// Who infers keeps the folded weight.
Tensor upsample_convolution_again(const StepOp& op, Inputs& in) {
  static Tensor weight, folded;  // of the op that is under way
  if (!op.recorded() && weight.impl() != in[1].impl()) {
    weight = in[1];
    folded = fold_upsampling(weight);
  }
  return upsample_conv2d(in[0], in[1], attributes<Activation>(op), op.recorded() ? Tensor() : folded);
}

using BatchNormAttributes = std::pair<BatchNormState, BatchNormSpec>;

/// In training it moves the running statistics of the network, which are not looked at.
Tensor batch_norm_again(const StepOp& op, Inputs& in) {
  auto [state, spec] = attributes<BatchNormAttributes>(op);
  return batch_norm(in[0], in[1], in[2], state, spec, in.size() > 3 ? in[3] : Tensor());
}

Tensor upsample_again(const StepOp& op, Inputs& in) {
  const auto how = attributes<Interpolation>(op);
  const bool nearest = op.name == "upsample_nearest";
  if (how.scale_factor > 0) {
    return nearest ? upsample_nearest(in[0], how.scale_factor)
                   : upsample_bilinear(in[0], how.scale_factor, how.corners);
  }
  return nearest ? upsample_nearest(in[0], op.y[1], op.y[2]) : upsample_bilinear(in[0], op.y[1], op.y[2], how.corners);
}

Tensor silog_again(const StepOp& op, Inputs& in) {
  const Shape& s = op.inputs[0].shape;
  static std::map<std::string, Tensor> targets;  // made once, as it is no part of the loss
  Tensor& target_m = targets[s.str()];
  if (!target_m || target_m.device() != in[0].device())
    target_m = Tensor::full({s[0], s[1], s[2]}, 2.F, in[0].device());
  return silog(in[0], target_m, {});
}

double attention_flops(const StepOp& op) { return 2. * 2 * double(op.y.numel()) * kWindow * kWindow; }

/// Of an op that is bound by memory and whose tensors show all of it.
template <class F>
Replay plain(const F& f) {
  return {[f](const StepOp& op, Inputs& in) { return f(op, in); }};
}

template <class F>
Replay pointwise(const F& f) {
  return {[f](const StepOp&, Inputs& in) { return f(in[0]); }};
}

std::map<std::string, Replay> activations() {
  return {{"relu", pointwise(relu)},
          {"relu6", pointwise(relu6)},
          {"leaky_relu", pointwise([](const Tensor& x) { return leaky_relu(x, 0.2F); })},
          {"elu", pointwise(elu)},
          {"hardswish", pointwise(hardswish)},
          {"hardsigmoid", pointwise(hardsigmoid)},
          {"sigmoid", pointwise(sigmoid)},
          {"gelu", pointwise(gelu)},
          {"softmax", pointwise(softmax)}};
}

std::map<std::string, Replay> products() {
  return {
      {"conv2d",
       {[](const StepOp& op, Inputs& in) {
          return conv2d(in[0], in[1], in[2], attributes<Conv2dSpec>(op),
                        in.size() > 3 ? std::exchange(in[3], {}) : Tensor());
        },
        convolution_details, convolution_flops}},
      {"upsample_conv2d",  // four 2x2 convolutions
       {upsample_convolution_again, [](const StepOp& op) { return with_act("", attributes<Activation>(op)); },
        [](const StepOp& op) { return 2. * 4 * double(op.inputs[0].shape.numel() * 4 * op.y[3]); }}},
      {"linear",
       {[](const StepOp&, Inputs& in) { return linear(in[0], in[1], in[2]); },
        [](const StepOp& op) { return cat("to ", op.y[-1]); },
        [](const StepOp& op) { return 2. * double(op.inputs[0].shape.numel() * op.y[-1]); }}},
      {"window_attention",
       {[](const StepOp& op, Inputs& in) {
          return window_attention(in[0], in[1], in[2], in[3], attributes<WindowSpec>(op));
        },
        [](const StepOp& op) { return attributes<WindowSpec>(op).shift > 0 ? "shifted" : ""; }, attention_flops}},
  };
}

std::map<std::string, Replay> norms() {
  return {
      {"batch_norm",
       {batch_norm_again,
        [](const StepOp& op) {
          const auto [state, spec] = attributes<BatchNormAttributes>(op);
          return with_act(state.training ? "" : "of evaluation", spec.act) + (op.inputs.size() > 3 ? " + map" : "");
        }}},
      {"layer_norm",
       plain([](const StepOp& op, Inputs& in) { return layer_norm(in[0], in[1], in[2], attributes<float>(op)); })},
      {"group_norm", plain([](const StepOp& op, Inputs& in) {
         const auto [groups, eps] = attributes<std::pair<i64, float>>(op);
         return group_norm(in[0], groups, in[1], in[2], eps);
       })},
      {"l2_normalize", plain([](const StepOp& op, Inputs& in) { return l2_normalize(in[0], attributes<float>(op)); })},
  };
}

/// Of stochastic depth: none of x's is dropped.
Tensor kept_samples(const Tensor& x) { return Tensor::full({x.dim(0)}, 1.25F, x.device()); }

std::map<std::string, Replay> sums() {
  return {
      {"add", plain([](const StepOp&, Inputs& in) { return add(in[0], in[1]); })},
      {"multiply", plain([](const StepOp&, Inputs& in) { return multiply(in[0], in[1]); })},
      {"multiply_channels", plain([](const StepOp&, Inputs& in) { return multiply_channels(in[0], in[1]); })},
      {"scale", plain([](const StepOp& op, Inputs& in) { return scale(in[0], attributes<float>(op)); })},
      {"stochastic_depth",
       plain([](const StepOp&, Inputs& in) { return stochastic_depth(in[0], kept_samples(in[0])); })},
      {"add_stochastic_depth",
       plain([](const StepOp&, Inputs& in) { return add_stochastic_depth(in[0], in[1], kept_samples(in[1])); })},
      {"sum", pointwise(sum)},
      {"cast", plain([](const StepOp& op, Inputs& in) { return cast(in[0], attributes<DType>(op)); })},
      {"silog", {silog_again}},
  };
}

std::map<std::string, Replay> places() {
  const auto resized = [](Tensor (*f)(const Tensor&, i64, i64)) {
    return plain([f](const StepOp& op, Inputs& in) { return f(in[0], op.y[1], op.y[2]); });
  };
  return {
      {"concat", plain([](const StepOp&, Inputs& in) { return concat(in); })},
      {"slice_channels", plain([](const StepOp& op, Inputs& in) {
         const i64 begin = attributes<i64>(op);
         return slice_channels(in[0], begin, begin + op.y[-1]);
       })},
      {"reshape", plain([](const StepOp& op, Inputs& in) { return in[0].reshape(op.y); })},
      {"rows", plain([](const StepOp& op, Inputs& in) { return in[0].rows(0, op.y[0]); })},
      {"upsample_bilinear", {upsample_again}},
      {"upsample_concat", plain([](const StepOp&, Inputs& in) { return upsample_concat(in[0], in[1]); })},
      {"upsample_nearest", {upsample_again}},
      {"adaptive_avg_pool", resized(adaptive_avg_pool)},
      {"mean_over_pixels", resized(adaptive_avg_pool)},
      {"avg_pool",
       plain([](const StepOp& op, Inputs& in) { return avg_pool(in[0], attributes<PoolSpec>(op).kernel); })},
      {"max_pool", plain([](const StepOp& op, Inputs& in) { return max_pool(in[0], attributes<PoolSpec>(op)); })},
      {"pad_reflect", resized(pad_reflect)},
      {"pad_zero", resized(pad_zero)},
      {"crop", resized(crop)},
      {"pixel_shuffle",
       plain([](const StepOp& op, Inputs& in) { return pixel_shuffle(in[0], op.y[1] / op.inputs[0].shape[1]); })},
      {"merge_patches", pointwise(merge_patches)},
      {"plane_equation",
       plain([](const StepOp& op, Inputs& in) { return plane_equation(in[0], attributes<float>(op)); })},
      {"local_planar_guidance", plain([](const StepOp& op, Inputs& in) {
         return local_planar_guidance(in[0], int(op.y[1] / op.inputs[0].shape[1]));
       })},
  };
}

const std::map<std::string, Replay>& table() {
  static const std::map<std::string, Replay> all = [] {
    std::map<std::string, Replay> joined;
    for (const auto& part : {activations(), products(), norms(), sums(), places()})
      joined.insert(part.begin(), part.end());
    return joined;
  }();
  return all;
}

}  // namespace

bool can_replay(const StepOp& op) { return table().contains(op.name); }

std::string details_of(const StepOp& op) {
  const auto found = table().find(op.name);
  return found == table().end() || !found->second.details ? "" : found->second.details(op);
}

Tensor replay(const StepOp& op, Inputs& inputs) { return table().at(op.name).run(op, inputs); }

double flops_of(const StepOp& op) {
  const Replay& of = table().at(op.name);
  return of.flops ? of.flops(op) : 0;
}

}  // namespace md
