// What every network does alike: padding to its grid, cropping back, checking its input.
#include "nets/depth_net.h"

#include <algorithm>

#include "layers/ops.h"

namespace md {
namespace {

constexpr i64 kSmallest = 32, kLargest = 4096, kMultiple = 32;

i64 aligned(i64 size) { return (size + kMultiple - 1) / kMultiple * kMultiple; }

/// How many rows (or columns) of a map of `map` rows lie over the first `size` of `padded` image rows.
i64 covering(i64 map, i64 size, i64 padded) { return (map * size + padded - 1) / padded; }

/// What losses compute with.
DepthMaps as_f32(const DepthMaps& maps) { return {cast(maps.depth_m, DType::f32), cast(maps.features, DType::f32)}; }

}  // namespace

DepthMaps DepthNet::forward(const Tensor& image, const Tensor& focal_px, const ForwardContext& context) const {
  const Shape& s = image.shape();
  if (s.rank() != 4 || s[3] != 3) fail(ErrorKind::bad_data, "network: image is ", s, ", expected [N,H,W,3]");
  const i64 h = s[1], w = s[2], padded_h = aligned(h), padded_w = aligned(w);
  if (std::min(h, w) < kSmallest || std::max(h, w) > kLargest)
    fail(ErrorKind::bad_data, "network: image of ", h, "x", w, " pixels, each side must be ", kSmallest, " to ",
         kLargest);
  if (h == padded_h && w == padded_w) return as_f32(forward_aligned(image, focal_px, context));
  const DepthMaps maps = forward_aligned(pad_reflect(image, padded_h, padded_w), focal_px, context);
  const Shape& f = maps.features.shape();
  return as_f32(
      {crop(maps.depth_m, h, w), crop(maps.features, covering(f[1], h, padded_h), covering(f[2], w, padded_w))});
}

std::optional<Rng> init_rng(const NetOptions& options) {
  if (!options.seed) return std::nullopt;
  return Rng(*options.seed, Purpose::init);
}

}  // namespace md
