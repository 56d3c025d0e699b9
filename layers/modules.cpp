// Parameters, their initial values and names; the arithmetic is in the ops.
#include "layers/modules.h"

#include <cmath>

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

Tensor BatchNorm2d::forward(const Tensor& x) const {
  return batch_norm(x, weight_, bias_, {running_mean_, running_var_, momentum_, training(), num_batches_tracked_},
                    spec_);
}

void freeze_statistics(Module& net) {
  net.apply([](Module& part) {
    if (dynamic_cast<BatchNorm2d*>(&part) != nullptr) part.eval();
  });
}

ConvNormAct::ConvNormAct(WeightRng rng, i64 in, i64 out, int kernel, ConvNormActOptions options)
    : conv_(child<Conv2d>(
          "0", rng, in, out, kernel,
          ConvOptions{.stride = options.stride, .pad = (kernel - 1) / 2, .groups = options.groups, .bias = false})),
      norm_(child<BatchNorm2d>("1", out, options.norm)) {}

Tensor ConvNormAct::forward(const Tensor& x) const { return norm_.forward(conv_.forward(x)); }

SqueezeExcite::SqueezeExcite(WeightRng rng, i64 channels, i64 squeezed)
    : fc1_(child<Conv2d>("fc1", rng, channels, squeezed, 1)), fc2_(child<Conv2d>("fc2", rng, squeezed, channels, 1)) {}

Tensor SqueezeExcite::forward(const Tensor& x) const {
  const Tensor squeezed = relu(fc1_.forward(adaptive_avg_pool(x, 1, 1)));
  return multiply_channels(x, hardsigmoid(fc2_.forward(squeezed)));
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
