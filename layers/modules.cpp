// Parameters, their initial values and names; the arithmetic is in the ops.
#include "layers/modules.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd.h"

namespace md {
namespace {

Tensor drawn(WeightRng rng, const Shape& shape, Init init, i64 fan_in, i64 fan_out) {
  switch (init) {
    case Init::torch_default:
      return rng.uniform(shape, 1 / std::sqrt(static_cast<double>(fan_in)));
    case Init::xavier_uniform:
      return rng.uniform(shape, std::sqrt(6 / static_cast<double>(fan_in + fan_out)));
    case Init::kaiming_normal:
      return rng.normal(shape, std::sqrt(2 / static_cast<double>(fan_out)));
    case Init::kaiming_normal_in:
      return rng.normal(shape, std::sqrt(2 / static_cast<double>(fan_in)));
    case Init::normal_02:
      return rng.normal(shape, 0.02);
  }
  fail(ErrorKind::contract, "Init: no such initialisation");
}

/// A weight [O,kh,kw,I], or [kh,kw,C], times a number for each output channel.
Tensor scaled(const Tensor& weight, const std::vector<double>& by) {
  const Tensor result = Tensor::empty(weight.shape());
  const bool depthwise = weight.shape().rank() == 3;
  const i64 channels = i64(by.size()), rows = depthwise ? weight.dim(0) * weight.dim(1) : channels,
            inner = weight.numel() / rows;
  for (i64 row = 0; row < rows; ++row) {
    for (i64 i = 0; i < inner; ++i) {
      const double s = by[std::size_t(depthwise ? i : row)];
      result.data()[row * inner + i] = float(s * weight.data()[row * inner + i]);
    }
  }
  return result;
}

bool all_finite(const Tensor& t) {
  return std::all_of(t.data(), t.data() + t.numel(), [](float v) { return std::isfinite(v); });
}

}  // namespace

Tensor WeightRng::uniform(const Shape& shape, double bound) const {
  const Tensor values = Tensor::empty(shape);
  if (rng_) rng_->uniform({values.data(), std::size_t(shape.numel())}, -bound, bound);
  return values;
}

Tensor WeightRng::normal(const Shape& shape, double deviation) const {
  const Tensor values = Tensor::empty(shape);
  if (rng_) rng_->normal({values.data(), std::size_t(shape.numel())}, deviation);
  return values;
}

Conv2d::Conv2d(WeightRng rng, i64 in, i64 out, int kernel, ConvOptions options)
    : spec_{options.stride, options.pad, options.dilation, options.groups, options.act} {
  MD_CHECK(in > 0 && out > 0 && kernel > 0, "Conv2d: ", in, " -> ", out, " channels, kernel ", kernel);
  MD_CHECK(options.groups > 0 && in % options.groups == 0 && out % options.groups == 0, "Conv2d: ", in, " -> ", out,
           " channels do not divide into ", options.groups, " groups");
  const bool depthwise = options.groups > 1 && options.groups == in && in == out;
  const i64 fan_in = in / options.groups * kernel * kernel, fan_out = out / options.groups * kernel * kernel;
  const Shape shape = depthwise ? Shape{kernel, kernel, out} : Shape{out, kernel, kernel, in / options.groups};
  const Tensor weight = drawn(rng, shape, options.init, fan_in, fan_out);
  weight_ = param("weight", weight, depthwise ? Layout::depthwise : Layout::conv);
  if (options.bias) bias_ = param("bias", drawn(rng, {out}, Init::torch_default, fan_in, fan_out));
}

Tensor Conv2d::forward(const Tensor& x) const { return conv2d(x, weight_, bias_, spec_); }

BatchNorm2d::BatchNorm2d(i64 channels, BatchNormOptions options)
    : spec_{options.eps, options.act},
      momentum_(options.momentum),
      weight_(param("weight", Tensor::full({channels}, 1))),
      bias_(param("bias", Tensor::zeros({channels}))),
      running_mean_(buffer("running_mean", Tensor::zeros({channels}))),
      running_var_(buffer("running_var", Tensor::full({channels}, 1))),
      num_batches_tracked_(buffer("num_batches_tracked", Tensor::zeros(Shape{}, Device{}, DType::i32))) {}

Tensor BatchNorm2d::forward(const Tensor& x) const { return forward(x, {}); }

Tensor BatchNorm2d::forward(const Tensor& x, const Tensor& residual) const {
  return batch_norm(x, weight_, bias_,
                    {running_mean_, running_var_, momentum_, training(), num_batches_tracked_, ranks_}, spec_,
                    residual);
}

std::vector<std::uint64_t> BatchNorm2d::versions(const Conv2d& conv) const {
  std::vector<std::uint64_t> all;
  for (const Tensor& t : {conv.weight(), conv.bias(), weight_, bias_, running_mean_, running_var_})
    all.push_back(t ? t.version() : 0);
  return all;
}

// weight (conv(x) + b - mean) / sqrt(var + eps) + bias = s conv(x) + (bias + s (b - mean)), s = weight / sqrt(var +
// eps).
void BatchNorm2d::fold_into(const Conv2d& conv) {
  const i64 C = bias_.dim(0);
  const Tensor shift = Tensor::empty({C});
  std::vector<double> scale;
  for (i64 c = 0; c < C; ++c) {
    scale.push_back(weight_.data()[c] / std::sqrt(double(running_var_.data()[c]) + double(spec_.eps)));
    const double b = conv.bias() ? conv.bias().data()[c] : 0.;
    shift.data()[c] = float(bias_.data()[c] + scale.back() * (b - running_mean_.data()[c]));
  }
  const Tensor weight = scaled(conv.weight(), scale);
  if (!all_finite(weight) || !all_finite(shift)) return;
  conv.weight().copy_from(weight);
  if (conv.bias()) conv.bias().copy_from(Tensor::zeros({C}));
  bias_.copy_from(shift);
  weight_.copy_from(Tensor::full({C}, 1.F));
  running_mean_.copy_from(Tensor::zeros({C}));
  running_var_.copy_from(Tensor::full({C}, 1.F - spec_.eps));
  folded_versions_ = versions(conv);
}

ConvNorm::ConvNorm(const Conv2d& conv, BatchNorm2d& norm) : conv_(&conv), norm_(&norm) {
  MD_CHECK(conv.spec().act.kind == Act::none, "ConvNorm: the activation is the norm's");
  norm.before_ = &conv;
}

bool ConvNorm::is_folded(const Tensor& x) const {
  const bool as_folded = !norm_->folded_versions_.empty() && norm_->folded_versions_ == norm_->versions(*conv_);
  return as_folded && !norm_->training() && !recording({&x, &conv_->weight(), &norm_->weight_, &norm_->bias_});
}

Tensor ConvNorm::forward(const Tensor& x, Tensor residual) const {
  if (is_folded(x)) {
    Conv2dSpec spec = conv_->spec();
    spec.act = norm_->spec_.act;
    return conv2d(x, conv_->weight(), norm_->bias_, spec, std::move(residual));
  }
  return norm_->forward(conv_->forward(x), residual);
}

void fold_batch_norms(Module& net) {
  net.apply([](Module& part) {
    auto* const norm = dynamic_cast<BatchNorm2d*>(&part);
    if (norm != nullptr && norm->before_ != nullptr) norm->fold_into(*norm->before_);
  });
}

void freeze_statistics(Module& net) {
  net.apply([](Module& part) {
    if (dynamic_cast<BatchNorm2d*>(&part) != nullptr) part.eval();
  });
}

void synchronise_batch_norms(Module& net, Communicator* ranks) {
  net.apply([ranks](Module& part) {
    if (auto* const norm = dynamic_cast<BatchNorm2d*>(&part)) norm->ranks_ = ranks;
  });
}

ConvNormAct::ConvNormAct(WeightRng rng, i64 in, i64 out, int kernel, ConvNormActOptions options)
    : both_{
          child<Conv2d>(
              "0", rng, in, out, kernel,
              ConvOptions{.stride = options.stride, .pad = (kernel - 1) / 2, .groups = options.groups, .bias = false}),
          child<BatchNorm2d>("1", out, options.norm)} {}

Tensor ConvNormAct::forward(const Tensor& x, Tensor residual) const { return both_.forward(x, std::move(residual)); }

SqueezeExcite::SqueezeExcite(WeightRng rng, i64 channels, i64 squeezed)
    : fc1_(child<Conv2d>("fc1", rng, channels, squeezed, 1, ConvOptions{.act = {Act::relu}})),
      fc2_(child<Conv2d>("fc2", rng, squeezed, channels, 1, ConvOptions{.act = {Act::hardsigmoid}})) {}

Tensor SqueezeExcite::forward(const Tensor& x) const {
  return squeeze_excite(x, [&](const Tensor& mean) { return fc2_.forward(fc1_.forward(mean)); });
}

Linear::Linear(WeightRng rng, i64 in, i64 out, LinearOptions options)
    : weight_(param("weight", drawn(rng, {out, in}, options.init, in, out))) {
  if (!options.bias) return;
  const bool zero = options.init == Init::normal_02;
  bias_ = param("bias", zero ? Tensor::zeros({out}) : drawn(rng, {out}, options.init, in, out));
}

Tensor Linear::forward(const Tensor& x) const { return linear(x, weight_, bias_); }

LayerNorm::LayerNorm(i64 channels)
    : weight_(param("weight", Tensor::full({channels}, 1))), bias_(param("bias", Tensor::zeros({channels}))) {}

Tensor LayerNorm::forward(const Tensor& x) const { return layer_norm(x, weight_, bias_); }

GroupNorm::GroupNorm(i64 channels, i64 groups)
    : groups_(groups),
      weight_(param("weight", Tensor::full({channels}, 1))),
      bias_(param("bias", Tensor::zeros({channels}))) {}

Tensor GroupNorm::forward(const Tensor& x) const { return group_norm(x, groups_, weight_, bias_); }

}  // namespace md
