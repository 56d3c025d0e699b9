#include "nets/newcrfs.h"

#include "nets/registry.h"

namespace md {
namespace {

constexpr i64 kPairsOfChannels = PyramidPooling::kChannels / 2;

struct Level {
  i64 dim, values;
  int heads;
};
constexpr std::array<Level, 4> kLevels = {{{128, 64, 4}, {256, 128, 8}, {512, 256, 16}, {1024, 512, 32}}};

SwinOptions encoder_of(NewCrfs::Size size, const NetOptions& options) {
  SwinOptions swin{.drop_path_rate = options.drop_path_rate, .recompute = options.recompute};
  if (size == NewCrfs::Size::tiny07) return swin;
  const bool large = size == NewCrfs::Size::large07;
  swin.dim = large ? 192 : 128;
  swin.depths = {2, 2, 18, 2};
  swin.heads = large ? std::array{6, 12, 24, 48} : std::array{4, 8, 16, 32};
  return swin;
}

ConvOptions same_size(int kernel) { return {.pad = kernel / 2}; }
/// mmcv's ConvModule: a norm follows, so there is no bias.
ConvOptions before_norm(int kernel) { return {.pad = kernel / 2, .bias = false, .init = Init::kaiming_normal}; }

}  // namespace

PyramidPooling::PyramidPooling(WeightRng rng, i64 in) {
  for (std::size_t i = 0; i < kScales.size(); ++i) {
    convs_.push_back(&child<Conv2d>(cat("psp_modules.", i, ".1.conv"), rng, in, kChannels, 1, before_norm(1)));
    norms_.push_back(&child<GroupNorm>(cat("psp_modules.", i, ".1.gn"), kChannels, kPairsOfChannels));
  }
  const i64 joined = in + i64(kScales.size()) * kChannels;
  bottleneck_.emplace(ConvNorm{child<Conv2d>("bottleneck.conv", rng, joined, kChannels, 3, before_norm(3)),
                               child<BatchNorm2d>("bottleneck.bn", kChannels, BatchNormOptions{.act = {Act::relu}})});
}

Tensor PyramidPooling::level(const Tensor& x, std::size_t index) const {
  const Tensor pooled = adaptive_avg_pool(x, kScales[index], kScales[index]);
  return relu(norms_[index]->forward(convs_[index]->forward(pooled)));
}

Tensor PyramidPooling::forward(const Tensor& x) const {
  std::vector<Tensor> parts = {x};
  for (std::size_t i = 0; i < kScales.size(); ++i) parts.push_back(upsample_bilinear(level(x, i), x.dim(1), x.dim(2)));
  return bottleneck_->forward(concat(parts));
}

CrfLevel::CrfLevel(WeightRng rng, const Options& options)
    : proj_x_(options.input == options.dim
                  ? nullptr
                  : &child<Conv2d>("proj_x", rng, options.input, options.dim, 3, same_size(3))),
      proj_v_(options.values == options.dim
                  ? nullptr
                  : &child<Conv2d>("proj_v", rng, options.values, options.dim, 3, same_size(3))),
      crf_layer_(child<WindowLayer>("crf_layer", rng,
                                    WindowLayer::Options{.block = {.dim = options.dim,
                                                                   .heads = options.heads,
                                                                   .own_values = false,
                                                                   .recompute = options.recompute},
                                                         .drop_rates = {0, 0}})),
      norm_crf_(child<LayerNorm>("norm_crf", options.dim)) {}

Tensor CrfLevel::forward(const Tensor& x, const Tensor& v, const ForwardContext& context) const {
  const Tensor features = proj_x_ ? proj_x_->forward(x) : x, values = proj_v_ ? proj_v_->forward(v) : v;
  return norm_crf_.forward(crf_layer_.forward(features, values, context));
}

DispHead::DispHead(WeightRng rng, i64 in)
    : conv1_(child<Conv2d>("conv1", rng, in, 1, 3, ConvOptions{.pad = 1, .act = {Act::sigmoid}})) {}

Tensor DispHead::forward(const Tensor& x) const { return upsample_bilinear(conv1_.forward(x), 4.0); }

NewCrfs::NewCrfs(const NetOptions& options, Size size)
    : NewCrfs(options, encoder_of(size, options), init_rng(options)) {}

NewCrfs::NewCrfs(const NetOptions& options, const SwinOptions& encoder, std::optional<Rng> rng)
    : DepthNet(options),
      backbone_(child<Swin>("backbone", rng, encoder)),
      crfs_{},
      decoder_(child<PyramidPooling>("decoder", rng, 8 * encoder.dim)),
      disp_head_(child<DispHead>("disp_head1", rng, kLevels[0].dim)) {
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    const Level& level = kLevels[i];
    crfs_[i] =
        &child<CrfLevel>(cat("crf", i), rng,
                         CrfLevel::Options{encoder.dim << i, level.values, level.dim, level.heads, options.recompute});
  }
}

DepthMaps NewCrfs::forward_aligned(const Tensor& image, const Tensor& /*focal_px*/,
                                   const ForwardContext& context) const {
  const std::vector<Tensor> maps = backbone_.forward(image, context);
  Tensor v = decoder_.forward(maps[3]);
  for (std::size_t i = 3; i > 0; --i) v = pixel_shuffle(crfs_[i]->forward(maps[i], v, context), 2);
  const Tensor features = crfs_[0]->forward(maps[0], v, context);
  return {scale(disp_head_.forward(features), options().max_depth_m), features};
}

std::vector<NetRecord> newcrfs_networks() {
  const auto record = [](const std::string& name, NewCrfs::Size size) {
    return NetRecord{.name = name,
                     .make = [size](const NetOptions& o) { return std::make_unique<NewCrfs>(o, size); },
                     .encoder = "backbone.",
                     .options = {"drop-path", "checkpoint-activations"}};
  };
  return {record("newcrfs_tiny07", NewCrfs::Size::tiny07), record("newcrfs_base07", NewCrfs::Size::base07),
          record("newcrfs_large07", NewCrfs::Size::large07)};
}

}  // namespace md
