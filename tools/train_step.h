// One step of training: forward, scale-invariant loss, MetricDepth, backward, update. A function of the batch, the step
// number and the weights alone. A non-finite loss or gradient leaves weights, running statistics and optimiser as they
// were.
#pragma once
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/optim.h"
#include "nets/depth_net.h"
#include "tools/options.h"

namespace md {

struct StepLosses {
  double total = 0, silog = 0, metric_depth = 0;
  double lr = 0;
  bool across_left_out = false;  // MetricDepth wants samples from other images, and the batch has one
  std::string not_finite;        // "loss" or "gradient of PARAMETER": nothing was updated; empty: all is well
  bool skipped() const { return !not_finite.empty(); }
};

class TrainStep {
 public:
  /// Freezes what the options say. `net` must outlive it; `total_steps` is where the learning rate ends.
  TrainStep(const TrainOptions&, DepthNet& net, i64 total_steps);

  /// `lr_factor` times the schedule's learning rate.
  StepLosses run(const Batch&, i64 step, double lr_factor = 1);
  Adam& optimizer() { return optimizer_; }

 private:
  Tensor metric_depth_loss(const Batch&, const Tensor& features, i64 step, StepLosses&) const;
  /// "gradient of NAME" of the first parameter whose gradient has a NaN or an infinity; empty if none has.
  std::string bad_gradient() const;

  const TrainOptions& options_;
  DepthNet& net_;
  i64 total_steps_;
  Adam optimizer_;
  std::vector<Module::Entry> parameters_;
  Tensor sums_;                            // of each parameter's gradient, one element each
  std::vector<Module::Entry> statistics_;  // the net's buffers ...
  std::vector<Tensor> before_;             // ... and room for their values before the step
};

}  // namespace md
