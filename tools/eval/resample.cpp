// Two of the networks' own ops; a second map, of which pixels are depth, goes the same way.
#include "tools/eval/resample.h"

#include <cmath>

#include "engine/check.h"
#include "layers/ops.h"

namespace md {

Tensor resampled(const Tensor& map_m, i64 height, i64 width, Resampling how) {
  MD_CHECK(how != Resampling::refused, "resampled: ", map_m.shape(), ": refused");
  const Shape maps{1, map_m.dim(0), map_m.dim(1), 1};
  const Tensor nearest = upsample_nearest(map_m.reshape(maps), height, width).reshape({height, width});
  if (how == Resampling::nearest) return nearest;
  const Tensor depth_m = map_m.clone(), is_depth = Tensor::empty(map_m.shape());
  for (i64 i = 0; i < map_m.numel(); ++i) {
    const bool depth = std::isfinite(map_m.data()[i]) && map_m.data()[i] > 0;
    is_depth.data()[i] = depth ? 1.F : 0.F;
    if (!depth) depth_m.data()[i] = 0;
  }
  const Tensor mixed = upsample_bilinear(depth_m.reshape(maps), height, width).reshape({height, width});
  const Tensor weight = upsample_bilinear(is_depth.reshape(maps), height, width);
  constexpr float kAll = 1 - 1e-6F;  // a sum of weights in float32
  for (i64 i = 0; i < mixed.numel(); ++i) {
    if (weight.data()[i] < kAll) mixed.data()[i] = nearest.data()[i];
  }
  return mixed;
}

}  // namespace md
