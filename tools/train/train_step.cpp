// A skipped step puts back the one thing that the forward pass changes: the running statistics.
#include "tools/train/train_step.h"

#include <cmath>

#include "engine/backend.h"
#include "layers/modules.h"

namespace md {

namespace {

/// The i-th of n equal parts of a batch: the samples of one after the other.
Batch part_of(const Batch& batch, i64 i, i64 n) {
  const auto part = [&](const Tensor& t) { return t ? t.rows(i * t.dim(0) / n, (i + 1) * t.dim(0) / n) : t; };
  return {.image = part(batch.image), .depth_m = part(batch.depth_m), .focal_px = part(batch.focal_px), .names = {}};
}

std::vector<Tensor> tensors_of(const std::vector<Module::Entry>& entries) {
  std::vector<Tensor> tensors;
  for (const Module::Entry& entry : entries) tensors.push_back(entry.tensor);
  return tensors;
}

}  // namespace

std::vector<Adam::Group> learning(const TrainOptions& options, const Module& net) {
  freeze_encoder(net, freeze_rule(options));
  Adam::Group encoder{{}, options.weight_decay}, others{{}, options.decay_on == "all" ? options.weight_decay : 0.F};
  for (const Module::Entry& p : net.parameters()) {
    const bool encodes = p.name.starts_with("encoder.") || p.name.starts_with("backbone.");
    if (p.tensor.requires_grad()) (encodes ? encoder : others).params.push_back(p);
  }
  return {encoder, others};
}

TrainStep::TrainStep(const TrainOptions& options, DepthNet& net, i64 total_steps)
    : options_(options),
      net_(net),
      total_steps_(total_steps),
      optimizer_(learning(options, net), options.adam),
      parameters_(net.parameters()),
      summary_(Tensor::empty({i64(kLosses + parameters_.size())}, parameters_.front().tensor.device())),
      statistics_(tensors_of(net.buffers())) {
  for (const Tensor& statistic : statistics_) before_.push_back(statistic.clone());
}

Tensor TrainStep::metric_depth_loss(const Batch& batch, const Tensor& features, i64 part_number) {
  const i64 n = features.dim(0), h = features.dim(1), w = features.dim(2);
  const MetricDepthShifts shifts = draw_shifts(options_.metric, options_.seed, part_number, n, h, w);
  losses_.across_left_out = shifts.across_left_out;
  const Tensor depth_m = depth_to_feature_size(batch.depth_m, h, w, depth_cell(options_));
  return metric_depth(features, depth_m, shifts.list, options_.metric);
}

void TrainStep::add_to_summary(std::size_t place, const Tensor& loss) {
  const auto at = i64(place);
  backend(summary_.device()).add_into(summary_.rows(at, at + 1), loss.detach().reshape({1}));
}

// A NaN or an infinity survives every sum, so a number a parameter tells; all of them come to the host in one copy.
void TrainStep::summarise_gradients() {
  std::vector<Tensor> gradients;
  for (const Module::Entry& parameter : parameters_) gradients.push_back(parameter.tensor.grad());
  backend(summary_.device()).sum_each(gradients, summary_.rows(kLosses, summary_.dim(0)));
}

std::string TrainStep::not_finite(const std::vector<float>& summary) const {
  if (!std::isfinite(summary[0])) return "loss";
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!std::isfinite(summary[kLosses + i])) return "gradient of " + parameters_[i].name;
  }
  return "";
}

void TrainStep::begin(const Batch& batch, i64 step, double lr_factor) {
  backend(summary_.device()).copy_each(before_, statistics_);
  net_.train();
  if (options_.freeze_statistics) freeze_statistics(net_);
  losses_ = {};
  losses_.lr = lr_factor * polynomial_lr(options_.lr, options_.end_lr, step, total_steps_);
  optimizer_.zero_grad();
  backend(summary_.device()).fill(summary_, 0.F);
  for (int i = 0; i < options_.accumulate; ++i) {
    add_part(part_of(batch, i, options_.accumulate), step * options_.accumulate + i);
  }
  summarise_gradients();
}

/// Its share of the loss and of the gradients. What it draws is a function of its number.
void TrainStep::add_part(const Batch& part, i64 part_number) {
  net_.set_step(part_number);
  const DepthMaps maps = net_.forward(part.image, part.focal_px);
  const Tensor silog_loss = silog(maps.depth_m, part.depth_m, options_.silog);
  const Tensor regulariser = options_.metric_depth ? metric_depth_loss(part, maps.features, part_number) : Tensor();
  const Tensor loss = regulariser ? add(silog_loss, regulariser) : silog_loss;
  loss.backward(Tensor::full({}, 1.F / float(options_.accumulate), summary_.device()));
  add_to_summary(0, loss);
  add_to_summary(1, silog_loss);
  if (regulariser) add_to_summary(2, regulariser);
}

StepLosses TrainStep::finish() {
  const std::vector<float> summary = summary_.to_host();
  losses_.total = double(summary[0]) / options_.accumulate;
  losses_.silog = double(summary[1]) / options_.accumulate;
  losses_.metric_depth = double(summary[2]) / options_.accumulate;
  losses_.not_finite = not_finite(summary);
  if (losses_.skipped()) {
    for (std::size_t i = 0; i < statistics_.size(); ++i) statistics_[i].copy_from(before_[i]);
  } else {
    optimizer_.step(losses_.lr);
  }
  return losses_;
}

}  // namespace md
