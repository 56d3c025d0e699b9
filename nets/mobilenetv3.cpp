// MobileNetV3-Large as torchvision builds it, up to the last convolution (960 channels).
#include "nets/mobilenetv3.h"

#include <algorithm>

namespace md {
namespace {

using Row = InvertedResidual::Row;

// Howard et al. 2019, Table 1.
constexpr std::array<Row, 15> kRows = {{
    {3, 16, 16, false, Act::relu, 1},
    {3, 64, 24, false, Act::relu, 2},
    {3, 72, 24, false, Act::relu, 1},
    {5, 72, 40, true, Act::relu, 2},
    {5, 120, 40, true, Act::relu, 1},
    {5, 120, 40, true, Act::relu, 1},
    {3, 240, 80, false, Act::hardswish, 2},
    {3, 200, 80, false, Act::hardswish, 1},
    {3, 184, 80, false, Act::hardswish, 1},
    {3, 184, 80, false, Act::hardswish, 1},
    {3, 480, 112, true, Act::hardswish, 1},
    {3, 672, 112, true, Act::hardswish, 1},
    {5, 672, 160, true, Act::hardswish, 2},
    {5, 960, 160, true, Act::hardswish, 1},
    {5, 960, 160, true, Act::hardswish, 1},
}};

/// The multiple of 8 nearest to v, but not below 0.9 v (torchvision's _make_divisible).
i64 divisible_by_8(i64 v) {
  const i64 rounded = std::max<i64>(8, (v + 4) / 8 * 8);
  return 10 * rounded < 9 * v ? rounded + 8 : rounded;
}

ConvNormActOptions options(Act act, int stride = 1, i64 groups = 1) {
  return {.stride = stride, .groups = int(groups), .norm = {.eps = 1e-3F, .momentum = 0.01F, .act = {act}}};
}

}  // namespace

InvertedResidual::InvertedResidual(WeightRng rng, i64 in, const Row& row)
    : residual_(row.stride == 1 && in == row.out) {
  int index = 0;
  const auto next_name = [&] { return cat("block.", index++); };
  if (row.expanded != in) expand_ = &child<ConvNormAct>(next_name(), rng, in, row.expanded, 1, options(row.act));
  depthwise_ = &child<ConvNormAct>(next_name(), rng, row.expanded, row.expanded, row.kernel,
                                   options(row.act, row.stride, row.expanded));
  if (row.squeeze_excite)
    squeeze_excite_ = &child<SqueezeExcite>(next_name(), rng, row.expanded, divisible_by_8(row.expanded / 4));
  project_ = &child<ConvNormAct>(next_name(), rng, row.expanded, row.out, 1, options(Act::none));
}

Tensor InvertedResidual::forward(Tensor x) const {
  Tensor y = depthwise_->forward(expand_ ? expand_->forward(x) : x);
  if (squeeze_excite_) y = squeeze_excite_->forward(y);
  return project_->forward(y, residual_ ? std::move(x) : Tensor());
}

MobileNetV3Large::MobileNetV3Large(WeightRng rng) {
  stem_ = &child<ConvNormAct>("features.0", rng, 3, 16, 3, options(Act::hardswish, 2));
  i64 in = 16;
  for (const Row& row : kRows) {
    blocks_.push_back(&child<InvertedResidual>(cat("features.", blocks_.size() + 1), rng, in, row));
    in = row.out;
  }
  head_ = &child<ConvNormAct>("features.16", rng, in, kTapChannels.back(), 1, options(Act::hardswish));
}

std::array<Tensor, 5> MobileNetV3Large::forward(const Tensor& image, const Watch& watch) const {
  std::array<Tensor, 5> taps;
  std::size_t feature = 0;
  const auto seen = [&](Tensor map) {
    if (watch) watch(feature, map);
    const auto tap = std::find(kTaps.begin(), kTaps.end(), feature++);
    if (tap != kTaps.end()) taps[std::size_t(tap - kTaps.begin())] = map;
    return map;
  };
  Tensor x = seen(stem_->forward(image));
  for (const InvertedResidual* block : blocks_) x = seen(block->forward(std::move(x)));
  seen(head_->forward(x));
  return taps;
}

}  // namespace md
