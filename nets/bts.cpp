// BTS's decoder level by level, coarse to fine, each with the depth that its guidance planes give.
#include "nets/bts.h"

#include <algorithm>
#include <utility>

#include "engine/autograd.h"
#include "nets/densenet.h"
#include "nets/registry.h"
#include "nets/resnet.h"

namespace md {
namespace {

using Kind = Reduction::Kind;

constexpr float kReferenceFocal_px = 715.0873F;  // of the KITTI camera that the official code takes for the usual one

/// Every convolution of the decoder: no bias, Xavier.
ConvOptions conv(int pad, int dilation = 1, Act act = Act::none) {
  return {.pad = pad, .dilation = dilation, .bias = false, .act = {act}, .init = Init::xavier_uniform};
}

/// The decoder's own batch norms; those inside the atrous blocks keep the default eps.
constexpr BatchNormOptions kNorm{.eps = 1.1e-5F, .momentum = 0.01F};
constexpr BatchNormOptions kNormRelu{.eps = 1.1e-5F, .momentum = 0.01F, .act = {Act::relu}};
constexpr BatchNormOptions kInnerNormRelu{.momentum = 0.01F, .act = {Act::relu}};

AtrousConv::Options dilated(int dilation) { return {.dilation = dilation, .norm_first = dilation > 3}; }

bool is_densenet(int encoder_layers) { return encoder_layers > 101; }

/// Hands a layer's output on, past who watches.
struct Shown {
  const Bts::Watch& watch;
  Tensor operator()(const std::string& layer, const Tensor& output) const {
    if (watch) watch(layer, output);
    return output;
  }
};

}  // namespace

AtrousConv::AtrousConv(WeightRng rng, i64 in, i64 out, Options options)
    : first_norm_(options.norm_first ? &child<BatchNorm2d>("atrous_conv.first_bn", in, kNormRelu) : nullptr),
      narrow_{child<Conv2d>("atrous_conv.aconv_sequence.1", rng, in, 2 * out, 1, conv(0)),
              child<BatchNorm2d>("atrous_conv.aconv_sequence.2", 2 * out, kInnerNormRelu)},
      dilated_(child<Conv2d>("atrous_conv.aconv_sequence.4", rng, 2 * out, out, 3,
                             conv(options.dilation, options.dilation))) {}

Tensor AtrousConv::forward(const Tensor& x) const {
  const Tensor positive = first_norm_ ? first_norm_->forward(x) : relu(x);
  return dilated_.forward(narrow_.forward(positive));
}

ConvElu::ConvElu(WeightRng rng, i64 in, i64 out, int kernel)
    : conv_(child<Conv2d>("0", rng, in, out, kernel, conv(kernel / 2, 1, Act::elu))) {}

Tensor ConvElu::forward(const Tensor& x) const { return conv_.forward(x); }

UpConv::UpConv(WeightRng rng, i64 in, i64 out) : conv_(child<Conv2d>("conv", rng, in, out, 3, conv(1))) {}

Tensor UpConv::forward(const Tensor& x) const {
  const Tensor& w = conv_.weight();
  if (recording({&x, &w})) return upsample_conv2d(x, w, {Act::elu});
  if (folded_version_ != w.version() || !folded_ || folded_.device() != w.device()) folded_ = fold_upsampling(w);
  folded_version_ = w.version();
  return upsample_conv2d(x, w, {Act::elu}, folded_);
}

Reduction::Reduction(WeightRng rng, i64 in, i64 out, Kind kind) {
  for (; out >= 8; in = out, out /= 2) {
    halvings_.push_back(&child<ConvElu>(cat("reduc.inter_", in, "_", out), rng, in, out, 1));
  }
  last_ = kind == Kind::plane ? &child<Conv2d>("reduc.plane_params", rng, in, 3, 1, conv(0))
                              : &child<Conv2d>("reduc.final.0", rng, in, 1, 1, conv(0, 1, Act::sigmoid));
}

Tensor Reduction::forward(const Tensor& x) const {
  Tensor y = x;
  for (const ConvElu* halving : halvings_) y = halving->forward(y);
  return last_->forward(y);
}

Guidance guide(const Tensor& plane_params, int r, float max_depth_m) {
  const Tensor planes = plane_equation(plane_params, max_depth_m);
  // The normal is a unit vector already, but for rounding; the official code normalises it once more.
  const Tensor unit = concat({l2_normalize(slice_channels(planes, 0, 3)), slice_channels(planes, 3, 4)});
  const Tensor depth_m = local_planar_guidance(unit, r);
  return {planes, depth_m, scale(depth_m, 1 / max_depth_m)};
}

Bts::Bts(const NetOptions& options, int encoder_layers) : Bts(options, encoder_layers, init_rng(options)) {}

Bts::Bts(const NetOptions& options, int encoder_layers, std::optional<Rng> rng)
    : DepthNet(options),
      encoder_(add_encoder(rng, encoder_layers)),
      skip_(is_densenet(encoder_layers) ? DenseNet::channels(encoder_layers) : ResNet::kChannels),
      upconv5_(child<UpConv>("decoder.upconv5", rng, skip_[4], 512)),
      bn5_(child<BatchNorm2d>("decoder.bn5", 512, kNorm)),
      conv5_(child<ConvElu>("decoder.conv5", rng, 512 + skip_[3], 512, 3)),
      upconv4_(child<UpConv>("decoder.upconv4", rng, 512, 256)),
      bn4_(child<BatchNorm2d>("decoder.bn4", 256, kNorm)),
      conv4_(child<ConvElu>("decoder.conv4", rng, 256 + skip_[2], 256, 3)),
      bn4_2_(child<BatchNorm2d>("decoder.bn4_2", 256, kNorm)),
      daspp_3_(child<AtrousConv>("decoder.daspp_3", rng, 256, 128, dilated(3))),
      daspp_6_(child<AtrousConv>("decoder.daspp_6", rng, 384 + skip_[2], 128, dilated(6))),
      daspp_12_(child<AtrousConv>("decoder.daspp_12", rng, 512 + skip_[2], 128, dilated(12))),
      daspp_18_(child<AtrousConv>("decoder.daspp_18", rng, 640 + skip_[2], 128, dilated(18))),
      daspp_24_(child<AtrousConv>("decoder.daspp_24", rng, 768 + skip_[2], 128, dilated(24))),
      daspp_conv_(child<ConvElu>("decoder.daspp_conv", rng, 256 + 5 * 128, 128, 3)),
      reduc8x8_(child<Reduction>("decoder.reduc8x8", rng, 128, 128, Kind::plane)),
      upconv3_(child<UpConv>("decoder.upconv3", rng, 128, 128)),
      bn3_(child<BatchNorm2d>("decoder.bn3", 128, kNorm)),
      conv3_(child<ConvElu>("decoder.conv3", rng, 128 + skip_[1] + 1, 128, 3)),
      reduc4x4_(child<Reduction>("decoder.reduc4x4", rng, 128, 64, Kind::plane)),
      upconv2_(child<UpConv>("decoder.upconv2", rng, 128, 64)),
      bn2_(child<BatchNorm2d>("decoder.bn2", 64, kNorm)),
      conv2_(child<ConvElu>("decoder.conv2", rng, 64 + skip_[0] + 1, 64, 3)),
      reduc2x2_(child<Reduction>("decoder.reduc2x2", rng, 64, 32, Kind::plane)),
      upconv1_(child<UpConv>("decoder.upconv1", rng, 64, 32)),
      reduc1x1_(child<Reduction>("decoder.reduc1x1", rng, 32, 16, Kind::final)),
      conv1_(child<ConvElu>("decoder.conv1", rng, 32 + 4, 32, 3)),
      get_depth_(child<Conv2d>("decoder.get_depth.0", rng, 32, 1, 3, conv(1, 1, Act::sigmoid))) {}

SkipEncoder& Bts::add_encoder(WeightRng rng, int layers) {
  const std::string name = "encoder.base_model";
  if (is_densenet(layers)) return child<DenseNet>(name, rng, layers);
  return child<ResNet>(name, rng, ResNetOptions{.layers = layers, .classifier = true});
}

DepthMaps Bts::forward_aligned(const Tensor& image, const Tensor& focal_px, const ForwardContext& /*context*/) const {
  const Maps maps = run(image, focal_px);
  return {maps.depth_m, maps.features};
}

Tensor Bts::pyramid(const std::array<Tensor, 5>& skips, const Watch& watch) const {
  const Shown seen{watch};
  const Tensor deepest = encoder_.ends_in_relu() ? skips[4] : relu(skips[4]);  // a ReLU of a ReLU changes nothing
  const Tensor up5 = seen("decoder.bn5", bn5_.forward(seen("decoder.upconv5", upconv5_.forward(deepest))));
  const Tensor iconv5 = seen("decoder.conv5", conv5_.forward(concat({up5, skips[3]})));
  const Tensor up4 = seen("decoder.bn4", bn4_.forward(seen("decoder.upconv4", upconv4_.forward(iconv5))));
  // The pyramid grows from what conv4 reads, not from what it gives; only daspp_3 reads the latter.
  Tensor grown = concat({up4, skips[2]});
  const Tensor iconv4 = seen("decoder.bn4_2", bn4_2_.forward(seen("decoder.conv4", conv4_.forward(grown))));
  const Tensor d3 = seen("decoder.daspp_3", daspp_3_.forward(iconv4));
  grown = concat({grown, d3});
  const Tensor d6 = seen("decoder.daspp_6", daspp_6_.forward(grown));
  grown = concat({grown, d6});
  const Tensor d12 = seen("decoder.daspp_12", daspp_12_.forward(grown));
  grown = concat({grown, d12});
  const Tensor d18 = seen("decoder.daspp_18", daspp_18_.forward(grown));
  const Tensor d24 = seen("decoder.daspp_24", daspp_24_.forward(concat({grown, d18})));
  return seen("decoder.daspp_conv", daspp_conv_.forward(concat({iconv4, d3, d6, d12, d18, d24})));
}

Bts::Maps Bts::run(const Tensor& image, const Tensor& focal_px, const Watch& watch) const {
  const Shown seen{watch};
  const auto guidance = [&](const Reduction& reduction, const Tensor& x, int r) {
    const Guidance g = guide(reduction.forward(x), r, options().max_depth_m);
    seen(cat("decoder.reduc", r, "x", r), g.planes);
    seen(cat("decoder.lpg", r, "x", r), g.depth_m);
    return g.scaled;
  };
  std::array<Tensor, 5> skips = encoder_.forward(image);
  for (std::size_t k = 0; k < skips.size(); ++k) seen(cat("encoder.base_model.", encoder_.layer_names()[k]), skips[k]);

  // Without a tape each map is freed as soon as nothing reads it any more.
  Maps maps;
  Tensor f = pyramid(skips, watch);
  std::fill(skips.begin() + 2, skips.end(), Tensor());
  maps.depth_8x8_scaled = guidance(reduc8x8_, f, 8);
  f = seen("decoder.upconv3", upconv3_.forward(f));
  f = seen("decoder.bn3", bn3_.forward(f));
  const Tensor coarse = upsample_nearest(maps.depth_8x8_scaled, 0.25);  // the top left of each 4x4
  f = concat({f, std::exchange(skips[1], {}), coarse});
  f = seen("decoder.conv3", conv3_.forward(f));

  maps.depth_4x4_scaled = guidance(reduc4x4_, f, 4);
  f = seen("decoder.upconv2", upconv2_.forward(f));
  f = seen("decoder.bn2", bn2_.forward(f));
  const Tensor finer = upsample_nearest(maps.depth_4x4_scaled, 0.5);
  f = concat({f, std::exchange(skips[0], {}), finer});
  f = seen("decoder.conv2", conv2_.forward(f));

  maps.depth_2x2_scaled = guidance(reduc2x2_, f, 2);
  f = seen("decoder.upconv1", upconv1_.forward(f));
  maps.reduc1x1 = reduc1x1_.forward(f);
  f = concat({f, maps.reduc1x1, maps.depth_2x2_scaled, maps.depth_4x4_scaled, maps.depth_8x8_scaled});
  maps.features = seen("decoder.conv1", conv1_.forward(f));
  maps.depth_m = scale(get_depth_.forward(maps.features), options().max_depth_m);
  if (options().focal_scaling) {
    const i64 n = image.dim(0);
    if (!focal_px || focal_px.shape() != Shape({n}))
      fail(ErrorKind::bad_data, "bts: depth is scaled by the focal length, and there is none for each of ", n,
           " images");
    maps.depth_m = multiply_channels(maps.depth_m, scale(focal_px.reshape({n, 1, 1, 1}), 1 / kReferenceFocal_px));
  }
  return maps;
}

namespace {

/// The parts of an encoder's names that its first block, and its second one, have.
struct FirstBlocks {
  std::vector<std::string> stem, first, second;
};

std::vector<FreezeRule> rules_of(const FirstBlocks& names) {
  const auto with = [&names](std::vector<std::string> more) {
    more.insert(more.begin(), names.stem.begin(), names.stem.end());
    return more;
  };
  std::vector<std::string> both = names.first;
  both.insert(both.end(), names.second.begin(), names.second.end());
  return {
      {"stem", "the first convolution and the batch norms", names.stem},
      {"first-block", "these and the first residual block or dense layer", with(names.first)},
      {"first-blocks", "these and the first two residual blocks or dense layers", with(both)},
  };
}

}  // namespace

/// BTS with its published encoders but for ResNeXt and MobileNetV2. As its code trains them, the stem convolution and
/// every batch norm whose name has "bnN" (not "downsample.1") or "norm" do not learn; its options freeze the first
/// block or the first two as well.
std::vector<NetRecord> bts_networks() {
  const FirstBlocks resnet = {{"base_model.conv1", ".bn"}, {"base_model.layer1.0"}, {"base_model.layer1.1"}};
  const FirstBlocks densenet = {{"conv0", "norm"}, {"denseblock1.denselayer1."}, {"denseblock1.denselayer2."}};
  const auto record = [&](const std::string& name, int layers) {
    return NetRecord{.name = name,
                     .make = [layers](const NetOptions& o) { return std::make_unique<Bts>(o, layers); },
                     .options = {"focal-scaling"},
                     .freeze_rules = rules_of(is_densenet(layers) ? densenet : resnet)};
  };
  return {record("bts", 50), record("bts_resnet101", 101), record("bts_densenet121", 121),
          record("bts_densenet161", 161)};
}

}  // namespace md
