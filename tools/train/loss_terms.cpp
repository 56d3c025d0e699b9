// The scale-invariant loss, and MetricDepth where the options ask for it.
#include "tools/train/loss_terms.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "losses/adaptive_pairs.h"
#include "tools/train/thresholds.h"

namespace md {
namespace {

/// `adaptive`: what takes the place of the options' thresholds, or null. Over several ranks the shifts are those of one
/// device with all images; or, AcrossRanks::local, of one with a rank's images, which may be one alone.
Tensor metric_depth_of(const LossInput& in, const MetricDepthOptions& options, DepthCell cell, std::uint64_t seed,
                       AdaptivePairs* adaptive) {
  const Tensor& features = in.maps.features;
  const bool global = options.across_ranks == MetricDepthOptions::AcrossRanks::global;
  const i64 n = features.dim(0) * (global ? in.ranks.size() : 1), h = features.dim(1), w = features.dim(2);
  if (leaves_across_out(options, n)) in.notes.insert("MetricDepth: a batch of one image has no samples across images");
  const Tensor depth_m = depth_to_feature_size(in.batch.depth_m, h, w, cell);
  const auto shifts_on_host = [&] { return draw_shifts(options, seed, in.draw.on_host(), n, h, w).list; };
  if (in.ranks.size() > 1) return metric_depth(features, depth_m, shifts_on_host(), options, in.ranks);
  const Tensor shifts = draw_shifts(options, seed, in.draw, n, h, w, features.device());
  if (!adaptive) return metric_depth(features, depth_m, shifts, options);
  adaptive->update(features, depth_m, shifts_on_host());
  return metric_depth(features, depth_m, shifts, adaptive->options());
}

/// Nothing before the first update.
nlohmann::ordered_json log_of(const AdaptivePairs& adaptive) {
  const Thresholds now = thresholds_of(adaptive.options());
  if (now.ranges.empty()) return nlohmann::ordered_json::object();
  return {{"thresholds", thresholds_json(now)}};
}

LossTerm metric_depth_term(const TrainOptions& o) {
  const auto adaptive = o.adaptive_thresholds ? std::make_shared<AdaptivePairs>(o.metric) : nullptr;
  LossTerm term{"metric_depth",
                [options = o.metric, cell = o.depth_cell, seed = o.seed, adaptive](const LossInput& in) {
                  return metric_depth_of(in, options, cell, seed, adaptive.get());
                }};
  if (!adaptive) return term;
  term.state = [adaptive] { return adaptive->state(); };
  term.set_state = [adaptive](const std::vector<double>& state) { adaptive->set_state(state); };
  term.log = [adaptive] { return log_of(*adaptive); };
  return term;
}

}  // namespace

std::vector<LossTerm> loss_terms(const TrainOptions& o) {
  std::vector<LossTerm> terms;
  terms.push_back({"silog", [options = o.silog](const LossInput& in) {
                     return silog(in.maps.depth_m, in.batch.depth_m, options, in.ranks);
                   }});
  if (o.metric_depth) terms.push_back(metric_depth_term(o));
  return terms;
}

}  // namespace md
