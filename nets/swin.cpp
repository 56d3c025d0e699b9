#include "nets/swin.h"

#include <numeric>

namespace md {
namespace {

constexpr int kPatch = 4;

i64 whole_patches(i64 side) { return (side + kPatch - 1) / kPatch * kPatch; }

}  // namespace

PatchEmbed::PatchEmbed(WeightRng rng, i64 dim)
    : proj_(child<Conv2d>("proj", rng, 3, dim, kPatch, ConvOptions{.stride = kPatch})),
      norm_(child<LayerNorm>("norm", dim)) {}

Tensor PatchEmbed::forward(const Tensor& image) const {
  return norm_.forward(proj_.forward(pad_zero(image, whole_patches(image.dim(1)), whole_patches(image.dim(2)))));
}

PatchMerging::PatchMerging(WeightRng rng, i64 dim)
    : norm_(child<LayerNorm>("norm", 4 * dim)),
      reduction_(
          child<Linear>("reduction", rng, 4 * dim, 2 * dim, LinearOptions{.bias = false, .init = Init::normal_02})) {}

Tensor PatchMerging::forward(const Tensor& x) const { return reduction_.forward(norm_.forward(merge_patches(x))); }

SwinStage::SwinStage(WeightRng rng, const WindowLayer::Options& options, bool last) : WindowLayer(rng, options) {
  if (!last) downsample_ = &child<PatchMerging>("downsample", rng, options.block.dim);
}

std::vector<double> drop_path_rates(double last, int blocks) {
  std::vector<double> rates;
  for (int i = 0; i < blocks; ++i) rates.push_back(blocks > 1 ? last * i / (blocks - 1) : 0);
  return rates;
}

Swin::Swin(WeightRng rng, const SwinOptions& options)
    : patch_embed_(&child<PatchEmbed>("patch_embed", rng, options.dim)) {
  const auto rates =
      drop_path_rates(options.drop_path_rate, std::accumulate(options.depths.begin(), options.depths.end(), 0));
  WindowLayer::Options stage{.block = {.dim = options.dim, .init = Init::normal_02, .recompute = options.recompute}};
  for (std::size_t i = 0; i < options.depths.size(); ++i) {
    const auto first = rates.begin() + stage.index;
    stage.block.heads = options.heads[i];
    stage.drop_rates.assign(first, first + options.depths[i]);
    stages_.push_back(&child<SwinStage>(cat("layers.", i), rng, stage, i + 1 == options.depths.size()));
    norms_.push_back(&child<LayerNorm>(cat("norm", i), stage.block.dim));
    stage.index += options.depths[i];
    stage.block.dim *= 2;
  }
}

std::vector<Tensor> Swin::forward(const Tensor& image, const ForwardContext& context) const {
  std::vector<Tensor> maps;
  Tensor x = patch_embed_->forward(image);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) x = stages_[i - 1]->downsample(x);
    x = stages_[i]->forward(x, {}, context);
    maps.push_back(norms_[i]->forward(x));
  }
  return maps;
}

}  // namespace md
