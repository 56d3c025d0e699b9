// One step of training: forward, scale-invariant loss, MetricDepth, backward, update. A function of the batch, the step
// number and the weights alone. A non-finite loss or gradient leaves weights, running statistics and optimiser as they
// were. With --accumulate N the batch is computed in N parts, of which one at a time is in memory; its loss is the mean
// of theirs: statistics (batch norm's, the scale-invariant loss's) are those of a part, and MetricDepth compares images
// of one part only.
#pragma once
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/optim.h"
#include "nets/depth_net.h"
#include "tools/train/options.h"

namespace md {

struct StepLosses {
  double total = 0, silog = 0, metric_depth = 0;
  double lr = 0;
  bool across_left_out = false;  // MetricDepth wants samples from other images, and the batch has one
  std::string not_finite;        // "loss" or "gradient of PARAMETER": nothing was updated; empty: all is well
  bool skipped() const { return !not_finite.empty(); }
};

/// Freezes what the options say; what is left to learn, with its weight decay.
std::vector<Adam::Group> learning(const TrainOptions&, const Module& net);

class TrainStep {
 public:
  /// Freezes what the options say. `net` must outlive it; `total_steps` is where the learning rate ends.
  TrainStep(const TrainOptions&, DepthNet& net, i64 total_steps);

  /// Forward and backward of a batch of --batch times --accumulate samples. A GPU gets the work and is not waited for,
  /// so there is time to fetch the next batch.
  /// `lr_factor` times the schedule's learning rate.
  void begin(const Batch&, i64 step, double lr_factor = 1);
  /// Waits for the losses, then updates.
  StepLosses finish();
  Adam& optimizer() { return optimizer_; }

 private:
  void add_part(const Batch& part, i64 part_number);
  Tensor metric_depth_loss(const Batch&, const Tensor& features, i64 part_number);
  void add_to_summary(std::size_t place, const Tensor& loss);
  void summarise_gradients();
  std::string not_finite(const std::vector<float>& summary) const;  // as in StepLosses

  const TrainOptions& options_;
  DepthNet& net_;
  i64 total_steps_;
  Adam optimizer_;
  std::vector<Module::Entry> parameters_;
  static constexpr std::size_t kLosses = 3;
  Tensor summary_;     // on the device: total, silog and MetricDepth loss, then the sum of each parameter's gradient
  StepLosses losses_;  // of the step under way
  std::vector<Tensor> statistics_;  // the net's buffers ...
  std::vector<Tensor> before_;      // ... and room for their values before the step
};

}  // namespace md
