// One step of training: forward, scale-invariant loss, MetricDepth, backward, update. A function of the batch, the step
// number and the weights alone. A non-finite loss leaves weights, running statistics and optimiser as they were.
#pragma once
#include <vector>

#include "data/loader.h"
#include "engine/optim.h"
#include "nets/depth_net.h"
#include "tools/options.h"

namespace md {

struct StepLosses {
  double total = 0, silog = 0, metric_depth = 0;
  double lr = 0;
  bool skipped = false;  // non-finite total: nothing was updated
};

class TrainStep {
 public:
  /// `net` must outlive it; `total_steps` is where the learning rate ends.
  TrainStep(const TrainOptions&, DepthNet& net, i64 total_steps);

  StepLosses run(const Batch&, i64 step);
  const Adam& optimizer() const { return optimizer_; }

 private:
  Tensor metric_depth_loss(const Batch&, const Tensor& features, i64 step) const;

  const TrainOptions& options_;
  DepthNet& net_;
  i64 total_steps_;
  Adam optimizer_;
  std::vector<Module::Entry> statistics_;  // the net's buffers ...
  std::vector<Tensor> before_;             // ... and room for their values before the step
};

}  // namespace md
