#include "tools/train_step.h"

#include <cmath>

#include "layers/ops.h"

namespace md {

TrainStep::TrainStep(const TrainOptions& options, DepthNet& net, i64 total_steps)
    : options_(options),
      net_(net),
      total_steps_(total_steps),
      optimizer_({{net.parameters(), options.weight_decay}}, options.adam),
      statistics_(net.buffers()) {
  for (const Module::Entry& entry : statistics_) before_.push_back(entry.tensor.clone());
}

Tensor TrainStep::metric_depth_loss(const Batch& batch, const Tensor& features, i64 step) const {
  const i64 n = features.dim(0), h = features.dim(1), w = features.dim(2);
  const MetricDepthShifts shifts = draw_shifts(options_.metric, options_.seed, step, n, h, w);
  const Tensor depth_m = depth_to_feature_size(batch.depth_m, h, w, depth_cell(options_));
  return metric_depth(features, depth_m, shifts.list, options_.metric);
}

StepLosses TrainStep::run(const Batch& batch, i64 step) {
  for (std::size_t i = 0; i < statistics_.size(); ++i) before_[i].copy_from(statistics_[i].tensor);
  StepLosses losses;
  losses.lr = polynomial_lr(options_.lr, options_.end_lr, step, total_steps_);
  const DepthMaps maps = net_.forward(batch.image, batch.focal_px);
  Tensor loss = silog(maps.depth_m, batch.depth_m, options_.silog);
  losses.silog = loss.item();
  if (options_.metric_depth) {
    const Tensor regulariser = metric_depth_loss(batch, maps.features, step);
    losses.metric_depth = regulariser.item();
    loss = add(loss, regulariser);
  }
  losses.total = loss.item();
  losses.skipped = !std::isfinite(losses.total);
  if (losses.skipped) {
    for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].tensor.copy_from(before_[i]);
    return losses;
  }
  optimizer_.zero_grad();
  loss.backward();
  optimizer_.step(losses.lr);
  return losses;
}

}  // namespace md
