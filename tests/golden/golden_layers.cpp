// Layer goldens: one op or block each, forward, backward under the stored upstream gradient, updated buffers.
#include <algorithm>
#include <cmath>

#include "data/score.h"
#include "layers/ops.h"
#include "losses/silog.h"
#include "nets/bts.h"
#include "nets/mobilenetv3.h"
#include "nets/resnet.h"
#include "tests/golden/golden.h"
#include "tests/golden/layer_run.h"
#include "tests/kit/testing.h"

namespace md::golden {
namespace {

/// A number, or one number for each axis.
template <class T>
std::array<T, 2> pair(const Json& value) {
  if (value.is_array()) return {value.at(0).get<T>(), value.at(1).get<T>()};
  return {value.get<T>(), value.get<T>()};
}

void conv2d_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const auto stride = pair<int>(run.params().at("stride")), pad = pair<int>(run.params().at("padding"));
  const auto dilation = pair<int>(run.params().at("dilation"));
  const Shape weight = golden.file.entry("weight").shape;
  const i64 channels = golden.file.entry("input").shape[1];
  const Conv2dSpec spec{.stride = {stride[0], stride[1]},
                        .pad = {pad[0], pad[1]},
                        .dilation = {dilation[0], dilation[1]},
                        .groups = run.params().at("groups").get<int>()};
  const bool depthwise = spec.groups > 1 && spec.groups == channels && weight[0] == channels;
  const Tensor x = run.input("input"), w = run.leaf("weight", depthwise ? Layout::depthwise : Layout::conv);
  const Tensor bias = golden.file.has("bias") ? run.leaf("bias", Layout::same) : Tensor{};
  run.finish(conv2d(x, w, bias, spec));
}

void batch_norm_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  const BatchNormState state{run.buffer("running_mean"), run.buffer("running_var"), p.at("momentum").get<float>(),
                             p.at("training").get<bool>()};
  const Tensor weight = run.leaf("param.weight", Layout::same), bias = run.leaf("param.bias", Layout::same);
  run.finish(batch_norm(run.input("input"), weight, bias, state, {p.at("eps").get<float>(), {}}));
}

void interpolate_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  const Tensor x = run.input("input");
  const Shape out = golden.file.entry("output").shape;
  const bool align = p.value("align_corners", false);
  const Corners corners = align ? Corners::align : Corners::half_pixel;
  const auto factor = p.contains("scale_factor") ? pair<double>(p["scale_factor"]) : std::array<double, 2>{};
  if (factor[0] != factor[1]) fail(ErrorKind::bad_data, "no op has two factors");
  if (p.at("mode") == "nearest") {
    run.finish(factor[0] > 0 ? upsample_nearest(x, factor[0]) : upsample_nearest(x, out[2], out[3]));
  } else if (p.at("mode") == "bilinear") {
    run.finish(factor[0] > 0 ? upsample_bilinear(x, factor[0], corners)
                             : upsample_bilinear(x, out[2], out[3], corners));
  } else {
    fail(ErrorKind::bad_data, "no op has mode ", p.at("mode"));
  }
}

void adaptive_avg_pool_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const auto size = pair<i64>(run.params().at("output_size"));
  run.finish(adaptive_avg_pool(run.input("input"), size[0], size[1]));
}

void max_pool_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  run.finish(
      max_pool(run.input("input"), {p.at("kernel").get<int>(), p.at("stride").get<int>(), p.at("padding").get<int>()}));
}

void normalize_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  if (run.params().at("p") != 2 || run.params().at("dim") != 1) fail(ErrorKind::bad_data, "no op has this p and dim");
  run.finish(l2_normalize(run.input("input"), run.params().at("eps").get<float>()));
}

/// [N,H,W,1] -> [N,H,W], as PyTorch has it.
Tensor without_channels(const Tensor& x) { return x.reshape({x.dim(0), x.dim(1), x.dim(2)}); }

void local_planar_guidance_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  run.finish(without_channels(local_planar_guidance(run.input("plane_eq"), run.params().at("upratio").get<int>())));
}

void inverted_residual_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  Rng unused(0, Purpose::init);
  InvertedResidual block(
      unused, p.at("input").get<i64>(),
      {p.at("kernel").get<int>(), p.at("expanded").get<i64>(), p.at("out").get<i64>(), p.at("use_se").get<bool>(),
       p.at("activation") == "HS" ? Act::hardswish : Act::relu, p.at("stride").get<int>()});
  run.load(block);
  block.train(golden.meta.at("train").get<bool>());
  run.finish(block.forward(run.input("input")));
}

void linear_case(const Case& golden, Report& report) {
  LayerRun run(golden, report, Axes::as_stored);
  run.finish(linear(run.input("input"), run.leaf("weight", Layout::same), run.leaf("bias", Layout::same)));
}

void layer_norm_case(const Case& golden, Report& report) {
  LayerRun run(golden, report, Axes::as_stored);
  const Tensor weight = run.leaf("param.weight", Layout::same), bias = run.leaf("param.bias", Layout::same);
  run.finish(layer_norm(run.input("input"), weight, bias, run.params().at("eps")));
}

void group_norm_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  const Tensor weight = run.leaf("param.weight", Layout::same), bias = run.leaf("param.bias", Layout::same);
  run.finish(group_norm(run.input("input"), p.at("groups"), weight, bias, p.at("eps")));
}

void pixel_shuffle_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  run.finish(pixel_shuffle(run.input("input"), run.params().at("r")));
}

/// The average of a prediction with that of the flipped image: post-processing, which happens on the CPU.
void flip_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const auto map = [&](const char* name) {
    const Tensor t = golden.file.tensor(name);  // [1,1,H,W]
    return t.reshape({t.dim(2), t.dim(3)});
  };
  const Tensor y = flip_average(map("depth"), map("depth_flipped"));
  run.finish(y.reshape({1, y.dim(0), y.dim(1), 1}));
}

void bottleneck_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  Rng unused(0, Purpose::init);
  Bottleneck block(unused, p.at("inplanes").get<i64>(), p.at("planes").get<i64>(), p.at("stride").get<int>());
  run.load(block);
  block.train(golden.meta.at("train").get<bool>());
  run.finish(block.forward(run.input("input")));
}

void atrous_conv_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  Rng unused(0, Purpose::init);
  AtrousConv block(unused, p.at("in_channels").get<i64>(), p.at("out_channels").get<i64>(),
                   {p.at("dilation").get<int>(), p.at("apply_bn_first").get<bool>()});
  run.load(block);
  block.train(golden.meta.at("train").get<bool>());
  run.finish(block.forward(run.input("input")));
}

void upconv_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Shape weight = golden.file.entry("param.conv.weight").shape;
  Rng unused(0, Purpose::init);
  UpConv block(unused, weight[1], weight[0]);
  run.load(block);
  run.finish(block.forward(run.input("input")));
}

/// The final reduction, or (with `upratio`) the planes and the guidance divided by max_depth.
void reduction_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  const bool planes = p.contains("upratio");
  Rng unused(0, Purpose::init);
  Named owner;
  const auto kind = planes ? Reduction::Kind::plane : Reduction::Kind::final;
  auto& block = owner.add<Reduction>("reduc", unused, p.at("num_in").get<i64>(), p.at("num_out").get<i64>(), kind);
  run.load(planes ? static_cast<Module&>(owner) : block);
  const Tensor y = block.forward(run.input("input"));
  if (!planes) return run.finish(y);
  const Guidance guidance = guide(y, p["upratio"].get<int>(), p.at("max_depth").get<float>());
  run.compare("plane", guidance.planes, Layout::conv);
  run.finish(guidance.scaled);
}

/// [N,1,H,W] -> [N,H,W]: the same memory order.
Tensor flat_map(const Tensor& x) { return x.reshape({x.dim(0), x.dim(2), x.dim(3)}); }

void metric_depth_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Tensor depth_m = flat_map(run.constant("depth", Layout::same));
  const MetricDepthSetting setting = metric_depth_setting(run.params());
  run.finish(metric_depth(run.input("feature"), depth_m, setting.shifts, setting.options));
}

void silog_case(const Case& golden, Report& report) {
  LayerRun run(golden, report);
  const Json& p = run.params();
  if (p.at("factor") != 10.0) fail(ErrorKind::bad_data, "no loss has factor ", p.at("factor"));
  // The mask is "gt > t": a larger threshold than any masked-out depth and smaller than any other.
  const std::string mask = p.at("mask");
  const SilogOptions options{std::stof(mask.substr(mask.find('>') + 1)), p.at("variance_focus").get<float>()};
  const Tensor depth_m = run.input("depth_est");
  run.finish(silog(depth_m, flat_map(run.constant("depth_gt", Layout::same)), options));
}

/// An op of one input that maps each element by itself, or rows along the last axis.
Handler pointwise(Tensor (*op)(const Tensor&)) {
  return [op](const Case& golden, Report& report) {
    LayerRun run(golden, report, Axes::as_stored);
    run.finish(op(run.input("input")));
  };
}

/// PyTorch's slope 0.01 is called "leaky_relu_001" on file: the digits after the point.
Handler leaky_relu_case(float slope) {
  return [slope](const Case& golden, Report& report) {
    LayerRun run(golden, report, Axes::as_stored);
    run.finish(leaky_relu(run.input("input"), run.params().value("negative_slope", slope)));
  };
}

}  // namespace

MetricDepthSetting metric_depth_setting(const Json& params) {
  MetricDepthSetting setting;
  for (const Json& s : params.at("within")) setting.shifts.push_back({0, s.at(0).get<int>(), s.at(1).get<int>()});
  for (const Json& k : params.at("across")) setting.shifts.push_back({k.get<int>(), 0, 0});
  MetricDepthOptions& options = setting.options;
  options.positive_below_m = params.at("r_p");
  options.ranges.clear();
  for (std::size_t j = 0; j < params.at("ranges").size(); ++j) {
    const Json& range = params["ranges"][j];
    options.ranges.push_back({range.at(0), range.at(1), params.at("margins").at(j)});
  }
  using Reduction = MetricDepthOptions::Reduction;
  options.reduction = params.at("reduction") == "sum" ? Reduction::sum : Reduction::mean;
  return setting;
}

Handlers layer_handlers() {
  Handlers h = {
      {"relu", pointwise(relu)},
      {"relu6", pointwise(relu6)},
      {"elu", pointwise(elu)},
      {"hardswish", pointwise(hardswish)},
      {"hardsigmoid", pointwise(hardsigmoid)},
      {"sigmoid", pointwise(sigmoid)},
      {"leaky_relu_001", leaky_relu_case(0.01F)},
      {"leaky_relu_02", leaky_relu_case(0.2F)},
      {"gelu", pointwise(gelu)},
      {"softmax_last", pointwise(softmax)},
      {"linear", linear_case},
      {"layer_norm", layer_norm_case},
      {"group_norm", group_norm_case},
      {"pixel_shuffle", pixel_shuffle_case},
      {"post_process_depth", flip_case},
      {"conv2d", conv2d_case},
      {"batch_norm2d", batch_norm_case},
      {"interpolate", interpolate_case},
      {"adaptive_avg_pool2d", adaptive_avg_pool_case},
      {"max_pool2d", max_pool_case},
      {"normalize", normalize_case},
      {"local_planar_guidance", local_planar_guidance_case},
      {"bts.atrous_conv", atrous_conv_case},
      {"bts.reduction_1x1", reduction_case},
      {"bts.reduction_1x1 + normalize + lpg", reduction_case},
      {"bts.upconv", upconv_case},
      {"torchvision Bottleneck", bottleneck_case},
      {"torchvision InvertedResidual", inverted_residual_case},
      {"metric_depth", metric_depth_case},
      {"silog_loss", silog_case},
  };
  h.merge(newcrfs_layers());
  return h;
}

}  // namespace md::golden
