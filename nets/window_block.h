// The transformer block that Swin and the neural window CRFs share: attention inside windows of 7x7, then a perceptron
// for each token, each behind a layer norm and beside a shortcut.
#pragma once
#include "engine/recompute.h"
#include "layers/modules.h"
#include "nets/forward_context.h"

namespace md {

/// Of one block.
struct WindowBlockOptions {
  i64 dim = 0;
  int heads = 1;
  int shift = 0;                    // kWindow / 2 in every other block, also where the map is smaller than a window
  bool own_values = true;           // Swin: values are made of the tokens, as queries and keys are; CRF: they are given
  Init init = Init::torch_default;  // of the linear layers
  bool recompute = false;           // keep only the inputs of the two branches, and run each again in the backward
};

/// timm's Mlp: "fc1" C -> 4C, GELU, "fc2" 4C -> C.
class Mlp : public Module {
 public:
  Mlp(WeightRng rng, i64 dim, Init init);
  Tensor forward(const Tensor& x) const;  // [...,C] -> the same

 private:
  Linear &fc1_, &fc2_;
};

/// "qkv" (or "qk"), "proj", "relative_position_bias_table" [169,heads] and the buffer "relative_position_index"
/// [49,49], which says what the kernel knows: the table's row for each two tokens of a window.
class WindowAttention : public Module {
 public:
  WindowAttention(WeightRng rng, const WindowBlockOptions& options);
  /// x [N,H,W,C], not yet padded; v the same, or empty if the values are x's own.
  Tensor forward(const Tensor& x, const Tensor& v) const;

 private:
  WindowSpec spec_;
  Tensor bias_table_;
  Linear &qkv_, &proj_;
};

/// SwinTransformerBlock and CRFBlock: "norm1", "attn", "norm2", "mlp".
class WindowBlock : public Module {
 public:
  WindowBlock(WeightRng rng, const WindowBlockOptions& options);
  /// x [N,H,W,C]; v the same, or empty if the values are x's own; the factors [2,N] of stochastic depth for the two
  /// branches, or empty. [N,H,W,C].
  Tensor forward(const Tensor& x, const Tensor& v, const Tensor& factors = {}) const;

 private:
  Tensor run(Segment branch, const std::vector<Tensor>& inputs) const;
  WindowBlockOptions options_;
  LayerNorm& norm1_;
  WindowAttention& attn_;
  LayerNorm& norm2_;
  Mlp& mlp_;
};

/// The blocks of a stage, "blocks.0", "blocks.1", ..., every other one shifted.
class WindowLayer : public Module {
 public:
  /// Of a stage.
  struct Options {
    WindowBlockOptions block;
    std::vector<double> drop_rates = {};  // of stochastic depth in training, one for each block
    int index = 0;                        // of the first block in the network: each draws numbers of its own
  };
  WindowLayer(WeightRng rng, const Options& options);
  /// As of each block; all of them have the same v.
  Tensor forward(const Tensor& x, const Tensor& v, const ForwardContext& = {}) const;

 private:
  Tensor drop_factors_of(i64 samples, const ForwardContext&, Device) const;
  std::vector<const WindowBlock*> blocks_;
  std::vector<double> branch_rates_;  // two for each block
  i64 first_branch_;                  // in the network
};

}  // namespace md
