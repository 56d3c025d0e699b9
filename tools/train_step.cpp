// A skipped step puts back the one thing that the forward pass changes: the running statistics.
#include "tools/train_step.h"

#include <algorithm>
#include <cmath>

#include "engine/backend.h"
#include "layers/modules.h"

namespace md {

namespace {

/// What learns, after freezing the rest; weight decay may be for the encoder alone.
std::vector<Adam::Group> learning(const TrainOptions& options, const Module& net) {
  freeze_encoder(net, freeze_rule(options));
  Adam::Group encoder{{}, options.weight_decay}, others{{}, options.decay_on == "all" ? options.weight_decay : 0.F};
  for (const Module::Entry& p : net.parameters()) {
    if (p.tensor.requires_grad()) (p.name.starts_with("encoder.") ? encoder : others).params.push_back(p);
  }
  return {encoder, others};
}

}  // namespace

TrainStep::TrainStep(const TrainOptions& options, DepthNet& net, i64 total_steps)
    : options_(options),
      net_(net),
      total_steps_(total_steps),
      optimizer_(learning(options, net), options.adam),
      parameters_(net.parameters()),
      sums_(Tensor::zeros({i64(parameters_.size())}, parameters_.front().tensor.device())),
      statistics_(net.buffers()) {
  for (const Module::Entry& entry : statistics_) before_.push_back(entry.tensor.clone());
}

Tensor TrainStep::metric_depth_loss(const Batch& batch, const Tensor& features, i64 step, StepLosses& losses) const {
  const i64 n = features.dim(0), h = features.dim(1), w = features.dim(2);
  const MetricDepthShifts shifts = draw_shifts(options_.metric, options_.seed, step, n, h, w);
  losses.across_left_out = shifts.across_left_out;
  const Tensor depth_m = depth_to_feature_size(batch.depth_m, h, w, depth_cell(options_));
  return metric_depth(features, depth_m, shifts.list, options_.metric);
}

// A NaN or an infinity survives every sum, and all the sums come to the host in one copy.
std::string TrainStep::bad_gradient() const {
  Backend& device = backend(sums_.device());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor gradient = parameters_[i].tensor.grad();
    if (gradient) device.reduce_sum(gradient, {}, 1, gradient.numel(), 1, sums_.rows(i64(i), i64(i) + 1));
  }
  const std::vector<float> sums = sums_.to_host();
  const auto bad = std::find_if(sums.begin(), sums.end(), [](float sum) { return !std::isfinite(sum); });
  return bad == sums.end() ? "" : "gradient of " + parameters_[std::size_t(bad - sums.begin())].name;
}

StepLosses TrainStep::run(const Batch& batch, i64 step, double lr_factor) {
  for (std::size_t i = 0; i < statistics_.size(); ++i) before_[i].copy_from(statistics_[i].tensor);
  net_.train();
  if (options_.freeze_statistics) freeze_statistics(net_);
  StepLosses losses;
  losses.lr = lr_factor * polynomial_lr(options_.lr, options_.end_lr, step, total_steps_);
  net_.set_step(step);
  const DepthMaps maps = net_.forward(batch.image, batch.focal_px);
  Tensor loss = silog(maps.depth_m, batch.depth_m, options_.silog);
  losses.silog = loss.item();
  if (options_.metric_depth) {
    const Tensor regulariser = metric_depth_loss(batch, maps.features, step, losses);
    losses.metric_depth = regulariser.item();
    loss = add(loss, regulariser);
  }
  losses.total = loss.item();
  if (std::isfinite(losses.total)) {
    optimizer_.zero_grad();
    loss.backward();
    losses.not_finite = bad_gradient();
  } else {
    losses.not_finite = "loss";
  }
  if (losses.skipped()) {
    for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].tensor.copy_from(before_[i]);
  } else {
    optimizer_.step(losses.lr);
  }
  return losses;
}

}  // namespace md
