// The paper's figures, of any frames and networks: what `mdeval figure` draws.
#pragma once
#include <string>
#include <vector>

#include "losses/metric_depth.h"
#include "tools/figure/drawing.h"
#include "tools/figure/subjects.h"

namespace md {

/// What a figure is made from, and how.
struct FigureSpec {
  std::vector<FigureNet> nets;
  std::vector<FigureFrame> frames;                // at least one
  float anchor_row = 0.5F, anchor_column = 0.5F;  // of the picture, 0 to 1
  MetricDepthOptions metric;
  std::uint64_t seed = 0;  // of the samples
};

/// Fig. 3, of the first frame: its map rolled, and the other frames at its place, each with the pair of one anchor;
/// with a network, of its features too. The frames are a batch.
Drawing sampling_figure(const FigureSpec&);

/// Fig. 4, of the first frame: which pixels are an anchor's negatives, and which of them still give loss, in the
/// features of each network.
Drawing negatives_figure(const FigureSpec&);

/// Fig. 5 and 6: image, ground truth where there is one, and the prediction of each network, a frame a row.
Drawing panels_figure(const FigureSpec&);

/// Fig. 7 and 8: the features of each network as three principal components, and their distances to an anchor's.
Drawing features_figure(const FigureSpec&);

/// Fig. 9: AbsRel against the number of samples, within and across, from runs (sample_results.h). Runs that differ in
/// nothing but the seed are a point with their spread.
Drawing samples_figure(const std::vector<std::string>& runs);

}  // namespace md
