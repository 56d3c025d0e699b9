// Swin Transformer (Liu et al. 2021) as NeWCRFs uses it: window 7, no absolute positions, a norm for each stage's
// output. Parameter names and initialisation as in the official code's SwinTransformer.
#pragma once
#include <array>

#include "nets/window_block.h"

namespace md {

/// Images to tokens: "proj", a 4x4 convolution of stride 4 after padding by zeros, and "norm".
class PatchEmbed : public Module {
 public:
  PatchEmbed(WeightRng rng, i64 dim);
  Tensor forward(const Tensor& image) const;  // [N,H,W,3] -> [N,ceil(H/4),ceil(W/4),C]

 private:
  Conv2d& proj_;
  LayerNorm& norm_;
};

/// Each 2x2 tokens to one of twice the width: "norm" of 4C, "reduction" 4C -> 2C without bias.
class PatchMerging : public Module {
 public:
  PatchMerging(WeightRng rng, i64 dim);
  Tensor forward(const Tensor& x) const;  // [N,h,w,C] -> [N,ceil(h/2),ceil(w/2),2C]

 private:
  LayerNorm& norm_;
  Linear& reduction_;
};

/// The numbers that make one of the published sizes; these are Swin-T's.
struct SwinOptions {
  i64 dim = 96;  // of the first stage; each of the others has twice that of the one before
  std::array<int, 4> depths = {2, 2, 6, 2}, heads = {3, 6, 12, 24};
  double drop_path_rate = 0.3;  // of the last block; from 0 on, linearly
  bool recompute = false;       // of all blocks: keep only the inputs of their branches (engine/recompute.h)
};

/// Rates of stochastic depth from 0 for the first block to `last` for the last, in equal steps.
std::vector<double> drop_path_rates(double last, int blocks);

/// "blocks.N" and, except in the last stage, "downsample".
class SwinStage : public WindowLayer {
 public:
  SwinStage(WeightRng rng, const WindowLayer::Options& options, bool last);
  /// From this stage's output to the next one's input. REQUIRES: not the last stage.
  Tensor downsample(const Tensor& x) const { return downsample_->forward(x); }

 private:
  PatchMerging* downsample_ = nullptr;
};

/// The encoder.
class Swin : public Module {
 public:
  Swin(WeightRng rng, const SwinOptions& options);

  /// The normalised output of each stage, at H/4, H/8, H/16 and H/32. What goes on to the next stage is not normalised.
  std::vector<Tensor> forward(const Tensor& image, const ForwardContext& = {}) const;

 private:
  PatchEmbed* patch_embed_;
  std::vector<const SwinStage*> stages_;
  std::vector<const LayerNorm*> norms_;
};

}  // namespace md
