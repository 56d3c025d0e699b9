// Predictions of another size than their frame's.
#pragma once
#include "data/protocol.h"
#include "engine/tensor.h"

namespace md {

/// [h,w] -> [height,width]. nearest: source index floor(i * h / height), as torch's interpolate and OpenCV's
/// INTER_NEAREST; bilinear: pixels' centres aligned and nothing averaged, as interpolate(align_corners=False) and
/// INTER_LINEAR, but a pixel near one that is no depth (0 or less, NaN, infinite) is the nearest, since a mean would
/// make depth of what is none. REQUIRES: not Resampling::refused.
Tensor resampled(const Tensor& map_m, i64 height, i64 width, Resampling);

}  // namespace md
