// The rule counts multiplications, of both ways, and says how fast either does one. Its numbers were fitted to the 3x3
// and 2x2 convolutions of LT, BTS and NeWCRFs on Zen 4 (tools/bench/README.md): the direct convolution runs near the
// peak whatever the shape; Winograd's products do with many channels, and what the transforms cost is a fixed number of
// channels' worth of products, and of tiles' worth for the weights. Maps of bf16 take Winograd as long as those of f32;
// what the direct convolution takes with them is the processor's matter.
#include "engine/cpu/winograd_choice.h"

#include "engine/cpu/isa_dnnl.h"
#include "engine/cpu/winograd.h"
#include "engine/cpu/winograd_tiles.h"

namespace md::MD_KERNELS {
namespace {

constexpr double kSmallWork = 8e6;  // output pixels times channels, below which starting threads counts
constexpr double kWorthIt = 1.1;    // the direct convolution rounds less

/// Products of one input and one output channel along one axis: taps of all outputs that lie on the input.
i64 direct_products(i64 in, i64 out, i64 taps, i64 pad, i64 dilation) {
  i64 count = 0;
  for (i64 k = 0; k < taps; ++k) {
    const i64 shift = k * dilation - pad;  // of the input against the output
    count += std::max<i64>(0, std::min(out, in - shift) - std::max<i64>(0, -shift));
  }
  return count;
}

i64 winograd_products(int tile, i64 out, i64 taps, i64 dilation) {
  return i64(tile_starts(out, tile - taps + 1, dilation).size()) * tile;
}

/// How many times as fast as the direct convolution, so far as the rule knows.
double speed(int tile, i64 tiles, i64 taps, double products_saved, i64 in, i64 out) {
  const double channels = 1. / double(in) + 1. / double(out), weights = double(taps * taps) / double(tiles);
  return products_saved * (tile == 4 ? .78 : .7) / (1 + 5 * channels + weights);
}

}  // namespace

int winograd_tile(ConvPass pass, const Conv2dSpec& s, const Tensor& x, const Tensor& w, const Tensor& y) {
  const ConvAlgorithm wanted = conv_algorithm();
  if (wanted == ConvAlgorithm::direct || x.dtype() != y.dtype() || !winograd_can(s, w)) return 0;
  if (wanted == ConvAlgorithm::winograd4) return 4;
  if (wanted == ConvAlgorithm::winograd6) return 6;
  if (kLanes < 8) return 0;  // not measured
  const i64 k = w.dim(1);
  const double direct = double(direct_products(x.dim(1), y.dim(1), k, s.pad.h, s.dilation.h)) *
                        double(direct_products(x.dim(2), y.dim(2), k, s.pad.w, s.dilation.w));
  const Tensor& covered = pass == ConvPass::data ? x : y;
  const i64 H = covered.dim(1), W = covered.dim(2), I = x.dim(3), O = y.dim(3);
  const double small = std::min(1., double(x.dim(0) * H * W * I * O) / kSmallWork);
  int best = 0;
  double fastest = kWorthIt * (x.dtype() == DType::bf16 ? bf16_rate() : 1);
  for (const int tile : {6, 4}) {
    const double own =
        double(winograd_products(tile, H, k, s.dilation.h)) * double(winograd_products(tile, W, k, s.dilation.w));
    const i64 tiles = i64(own) / (tile * tile) * x.dim(0);
    const double gain = small * speed(tile, tiles, k, direct / own, I, O);
    if (gain <= fastest) continue;
    fastest = gain;
    best = tile;
  }
  return best;
}

}  // namespace md::MD_KERNELS
