// Feature maps, on which MetricDepth acts, as pictures: their first three principal components, and their distances to
// one pixel's. And how far features of pixels are apart whose depths are.
#pragma once
#include <vector>

#include "tools/report/principal_components.h"
#include "tools/report/scale_colours.h"
#include "tools/report/shown_frame.h"

namespace md {

/// The components as red, green and blue, each from its 2 % to its 98 % quantile over `maps`, which are [h,w,C].
struct ComponentColours {
  PrincipalComponents components;
  std::array<float, 3> low{}, high{};
};
ComponentColours component_colours(const std::vector<Tensor>& maps);
RgbImage component_picture(const ComponentColours&, const Tensor& map);

/// A pixel of a map.
struct Anchor {
  i64 row = 0, column = 0;
};
/// The pixel at these parts of the picture, or the nearest to it whose depth was measured. depth_m [h,w].
Anchor choose_anchor(const Tensor& depth_m, float row_part, float column_part);

/// Euclidean distance of each pixel's feature to the anchor's, [h,w].
Tensor distances_to(const Tensor& features, const Anchor&);
/// A cross there, in white with a dark edge; the picture may have another size than the map.
void mark_anchor(RgbImage&, const Anchor&, i64 map_height, i64 map_width);

/// Mean Euclidean distance of features whose depths differ by bin * step_m to (bin + 1) * step_m; NaN without such
/// pairs.
struct PairDistances {
  double step_m = 0.1;
  std::vector<double> distance, pairs;
};
/// Of pairs of pixels of the same frame, drawn at random with `seed`. depth_m of each map's size.
PairDistances pair_distances(const std::vector<Tensor>& features, const std::vector<Tensor>& depth_m, double step_m,
                             int bins, std::uint64_t seed);

}  // namespace md
