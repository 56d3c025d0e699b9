// The layers that own parameters: ops.h with PyTorch's parameter names, layouts and default initialisation. A weight is
// drawn from the Rng given, in registration order, so one seed fixes a whole network. `forward` takes and returns
// [N,H,W,C]. Activations travel fused with the convolution or the batch norm before them, and for evaluation a batch
// norm can travel with its convolution (fold_batch_norms).
#pragma once
#include <optional>

#include "engine/module.h"
#include "engine/rng.h"
#include "layers/ops.h"

namespace md {

/// How a weight is drawn; fan_in = I/groups * k * k, fan_out = O/groups * k * k.
enum class Init : std::uint8_t {
  torch_default,      // uniform in +-1/sqrt(fan_in), which is what kaiming_uniform_(a=sqrt(5)) comes to
  xavier_uniform,     // xavier_uniform_: uniform in +-sqrt(6 / (fan_in + fan_out))
  kaiming_normal,     // kaiming_normal_(mode="fan_out", nonlinearity="relu"): normal, deviation sqrt(2 / fan_out)
  kaiming_normal_in,  // kaiming_normal_() as it stands: normal, deviation sqrt(2 / fan_in)
  normal_02,          // timm's trunc_normal_(std=0.02): its cut at +-2 is 100 deviations away. Biases start at 0
};

/// What initial weights are drawn from: an Rng, which must outlive this, or none. Without one they hold whatever their
/// memory does, until they are loaded.
class WeightRng {
 public:
  WeightRng(Rng& rng) : rng_(&rng) {}
  WeightRng(std::optional<Rng>& rng) : rng_(rng ? &*rng : nullptr) {}
  Tensor uniform(const Shape&, double bound) const;     // in [-bound, bound)
  Tensor normal(const Shape&, double deviation) const;  // with mean 0

 private:
  Rng* rng_;
};

/// Of a Conv2d, as torch.nn.Conv2d has them.
struct ConvOptions {
  PerAxis stride = 1, pad = 0, dilation = 1;
  int groups = 1;
  bool bias = true;
  Activation act = {};  // of the output
  Init init = Init::torch_default;
};

/// torch.nn.Conv2d: "weight" and, unless turned off, "bias", uniform in +-1/sqrt(fan_in). Depthwise
/// (groups == in == out > 1) weights are [k,k,C], others [O,k,k,I/groups].
class Conv2d : public Module {
 public:
  Conv2d(WeightRng rng, i64 in, i64 out, int kernel, ConvOptions options = {});
  Tensor forward(const Tensor& x) const;  // [N,H,W,in] -> [N,OH,OW,out]
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // or empty
  const Conv2dSpec& spec() const { return spec_; }

 private:
  Conv2dSpec spec_;
  Tensor weight_, bias_;
};

/// Of a BatchNorm2d, with PyTorch's defaults.
struct BatchNormOptions {
  float eps = 1e-5F, momentum = 0.1F;
  Activation act = {};  // none, relu or hardswish
};

/// torch.nn.BatchNorm2d: "weight" 1, "bias" 0; buffers "running_mean" 0, "running_var" 1 and "num_batches_tracked" [],
/// which counts the training forwards.
class BatchNorm2d : public Module {
 public:
  explicit BatchNorm2d(i64 channels, BatchNormOptions options = {});
  Tensor forward(const Tensor& x) const;  // any [...,C] -> the same

 private:
  friend class ConvNorm;
  friend void fold_batch_norms(Module&);
  friend void synchronise_batch_norms(Module&, Communicator*);
  Tensor forward(const Tensor& x, const Tensor& residual) const;
  void fold_into(const Conv2d&);
  std::vector<std::uint64_t> versions(const Conv2d&) const;

  BatchNormSpec spec_;
  float momentum_;
  Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
  Communicator* ranks_ = nullptr;               // over whose batches it takes statistics; null: over its own
  const Conv2d* before_ = nullptr;              // of its ConvNorm
  std::vector<std::uint64_t> folded_versions_;  // of all the numbers when they were folded; empty: they are not
};

/// A convolution without an activation, and the batch norm that alone reads it.
class ConvNorm {
 public:
  /// Both outlive this.
  ConvNorm(const Conv2d& conv, BatchNorm2d& norm);
  /// act(norm(conv(x)) + residual) with the norm's activation; [N,H,W,in] -> [N,OH,OW,out]. The residual has the
  /// output's shape, or is empty. Where the norm is folded it is one convolution (conv2d in ops.h says what becomes of
  /// the residual's memory), unless the norm trains or a gradient is wanted.
  Tensor forward(const Tensor& x, Tensor residual = {}) const;

 private:
  bool is_folded(const Tensor& x) const;
  const Conv2d* conv_;
  const BatchNorm2d* norm_;
};

/// Folds the batch norm of every ConvNorm into its convolution: the weights take the norm's scale (in double), the norm
/// keeps the shift as its bias, and 1, 0 and 1 as its weight and running statistics. In evaluation the network stays
/// the same function up to rounding, also when it is saved and loaded, and is faster; to train is to start from another
/// one, as batch statistics undo the scale. A norm whose numbers are not all finite stays as it is, because a fused
/// ReLU may make 0 of NaN. REQUIRES: the network is on the CPU.
void fold_batch_norms(Module&);

/// Puts every batch norm of a module in evaluation mode: running statistics are used and not updated, the affine map
/// still learns. train() undoes it. (BTS: bn_no_track_stats.)
void freeze_statistics(Module&);

/// Every batch norm of a module that trains takes its statistics over the batches of all ranks, which are of one size;
/// null: over its own again.
void synchronise_batch_norms(Module&, Communicator*);

/// Of a ConvNormAct.
struct ConvNormActOptions {
  int stride = 1, groups = 1;
  BatchNormOptions norm = {};  // norm.act is the activation of the block
};

/// torchvision.ops.Conv2dNormActivation: "0" a convolution without bias that keeps the size (pad (k-1)/2), "1" its
/// batch norm; the activation has no name because it has no state.
class ConvNormAct : public Module {
 public:
  ConvNormAct(WeightRng rng, i64 in, i64 out, int kernel, ConvNormActOptions options = {});
  /// [N,H,W,in] -> [N,H/stride,W/stride,out], rounded up; the residual as of ConvNorm.
  Tensor forward(const Tensor& x, Tensor residual = {}) const;

 private:
  ConvNorm both_;
};

/// torchvision.ops.SqueezeExcitation with ReLU and hardsigmoid: x * hardsigmoid(fc2(relu(fc1(mean over H and W)))).
/// "fc1" C -> squeezed and "fc2" squeezed -> C are 1x1 convolutions.
class SqueezeExcite : public Module {
 public:
  SqueezeExcite(WeightRng rng, i64 channels, i64 squeezed);
  Tensor forward(const Tensor& x) const;  // [N,H,W,C] -> the same

 private:
  Conv2d &fc1_, &fc2_;
};

/// Of a Linear.
struct LinearOptions {
  bool bias = true;
  Init init = Init::torch_default;  // or normal_02
};

/// torch.nn.Linear: "weight" [O,I] and, unless turned off, "bias" [O]. Over the last axis of any shape.
class Linear : public Module {
 public:
  Linear(WeightRng rng, i64 in, i64 out, LinearOptions options = {});
  Tensor forward(const Tensor& x) const;  // [...,in] -> [...,out]
  const Tensor& bias() const { return bias_; }

 private:
  Tensor weight_, bias_;
};

/// torch.nn.LayerNorm over the last axis: "weight" 1, "bias" 0, eps 1e-5.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(i64 channels);
  Tensor forward(const Tensor& x) const;  // any [...,C] -> the same

 private:
  Tensor weight_, bias_;
};

/// torch.nn.GroupNorm: "weight" 1, "bias" 0, eps 1e-5.
class GroupNorm : public Module {
 public:
  GroupNorm(i64 channels, i64 groups);
  Tensor forward(const Tensor& x) const;  // [N,H,W,C] -> the same

 private:
  i64 groups_;
  Tensor weight_, bias_;
};

}  // namespace md
