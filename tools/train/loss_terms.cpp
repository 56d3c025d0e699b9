// The scale-invariant loss, and MetricDepth where the options ask for it.
#include "tools/train/loss_terms.h"

namespace md {
namespace {

Tensor metric_depth_of(const LossInput& in, const MetricDepthOptions& options, DepthCell cell, std::uint64_t seed) {
  const Tensor& features = in.maps.features;
  const i64 n = features.dim(0), h = features.dim(1), w = features.dim(2);
  const MetricDepthShifts shifts = draw_shifts(options, seed, in.draw, n, h, w);
  if (shifts.across_left_out) in.notes.insert("MetricDepth: a batch of one image has no samples across images");
  return metric_depth(features, depth_to_feature_size(in.batch.depth_m, h, w, cell), shifts.list, options);
}

}  // namespace

std::vector<LossTerm> loss_terms(const TrainOptions& o) {
  std::vector<LossTerm> terms;
  terms.push_back({"silog", [options = o.silog](const LossInput& in) {
                     return silog(in.maps.depth_m, in.batch.depth_m, options);
                   }});
  if (o.metric_depth)
    terms.push_back({"metric_depth", [options = o.metric, cell = o.depth_cell, seed = o.seed](const LossInput& in) {
                       return metric_depth_of(in, options, cell, seed);
                     }});
  return terms;
}

}  // namespace md
