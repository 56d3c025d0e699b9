// Where depth jumps, and how far each pixel is from there: errors gather at depth edges.
#pragma once
#include "engine/tensor.h"

namespace md {

/// From here on a step between two neighbours is an edge: the nearer of them times this is the farther one.
inline constexpr float kDepthEdgeRatio = 1.1F;

/// depth_m [H,W], 0 = not measured -> u8 [H,W]: 1 where one of the four neighbours, measured too, is farther or nearer
/// by kDepthEdgeRatio.
Tensor depth_edges(const Tensor& depth_m);

/// u8 [H,W] -> f32 [H,W]: the Euclidean distance to the nearest pixel that is not 0, in pixels; infinite where there is
/// none. Exact, in linear time (Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, 2012).
Tensor distance_to(const Tensor& marked);

}  // namespace md
