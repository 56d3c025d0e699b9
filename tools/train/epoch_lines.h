// What each epoch of a run came to, a line each, for who sits before it.
#pragma once
#include <string>
#include <vector>

#include "tools/eval/evaluate.h"
#include "tools/train/train_step.h"

namespace md {

/// The mean losses of an epoch's steps.
class EpochMeans {
 public:
  void add(const StepLosses&);  // a step that was skipped counts for nothing
  /// No step has updated anything.
  bool empty() const { return steps_ == 0; }
  /// "loss 2.310 = silog 1.900 + metric_depth 0.410"; a single term is the loss.
  std::string text() const;

 private:
  i64 steps_ = 0;
  double total_ = 0;
  std::vector<StepLosses::Part> parts_;
};

/// "epoch  3/20  loss 2.310 = ...  AbsRel 0.213  d1 0.655  24:10 left"; without an evaluation at its end, null, no
/// measures.
std::string epoch_line(i64 epoch, i64 epochs, const EpochMeans&, const Metrics*, double left_s);

/// "45 s", "24:10", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace md
