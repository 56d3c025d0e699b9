// A skipped step puts back the one thing that the forward pass changes: the running statistics.
#include "tools/train_step.h"

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
      summary_(Tensor::empty({i64(kLosses + parameters_.size())}, parameters_.front().tensor.device())),
      statistics_(net.buffers()) {
  for (const Module::Entry& entry : statistics_) before_.push_back(entry.tensor.clone());
}

Tensor TrainStep::metric_depth_loss(const Batch& batch, const Tensor& features, i64 step) {
  const i64 n = features.dim(0), h = features.dim(1), w = features.dim(2);
  const MetricDepthShifts shifts = draw_shifts(options_.metric, options_.seed, step, n, h, w);
  losses_.across_left_out = shifts.across_left_out;
  const Tensor depth_m = depth_to_feature_size(batch.depth_m, h, w, depth_cell(options_));
  return metric_depth(features, depth_m, shifts.list, options_.metric);
}

// A NaN or an infinity survives every sum, so a number a parameter tells; all of them come to the host in one copy.
void TrainStep::summarise(std::initializer_list<Tensor> losses) {
  Backend& device = backend(summary_.device());
  device.fill(summary_, 0.F);
  i64 at = 0;
  for (const Tensor& loss : losses) {
    if (loss) device.copy(summary_.data() + at, loss.data(), sizeof(float));
    ++at;
  }
  for (const Module::Entry& parameter : parameters_) {
    const Tensor gradient = parameter.tensor.grad();
    if (gradient) device.reduce_sum(gradient, {}, 1, gradient.numel(), 1, summary_.rows(at, at + 1));
    ++at;
  }
}

std::string TrainStep::not_finite(const std::vector<float>& summary) const {
  if (!std::isfinite(summary[0])) return "loss";
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!std::isfinite(summary[kLosses + i])) return "gradient of " + parameters_[i].name;
  }
  return "";
}

void TrainStep::begin(const Batch& batch, i64 step, double lr_factor) {
  for (std::size_t i = 0; i < statistics_.size(); ++i) before_[i].copy_from(statistics_[i].tensor);
  net_.train();
  if (options_.freeze_statistics) freeze_statistics(net_);
  losses_ = {};
  losses_.lr = lr_factor * polynomial_lr(options_.lr, options_.end_lr, step, total_steps_);
  net_.set_step(step);
  const DepthMaps maps = net_.forward(batch.image, batch.focal_px);
  const Tensor silog_loss = silog(maps.depth_m, batch.depth_m, options_.silog);
  const Tensor regulariser = options_.metric_depth ? metric_depth_loss(batch, maps.features, step) : Tensor();
  const Tensor loss = regulariser ? add(silog_loss, regulariser) : silog_loss;
  optimizer_.zero_grad();
  loss.backward();
  summarise({loss, silog_loss, regulariser});
}

StepLosses TrainStep::finish() {
  const std::vector<float> summary = summary_.to_host();
  losses_.total = double(summary[0]);
  losses_.silog = double(summary[1]);
  losses_.metric_depth = double(summary[2]);
  losses_.not_finite = not_finite(summary);
  if (losses_.skipped()) {
    for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].tensor.copy_from(before_[i]);
  } else {
    optimizer_.step(losses_.lr);
  }
  return losses_;
}

}  // namespace md
