// Optimisers, as torch.optim.Adam and AdamW compute them (eps after the bias-corrected square root; AdamW multiplies
// the parameter by 1 - lr*decay first), and the polynomial schedule of BTS and NeWCRFs.
#pragma once
#include <string>
#include <vector>

#include "engine/module.h"

namespace md {

/// The numbers of torch.optim.Adam and AdamW, with PyTorch's defaults.
struct AdamSpec {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool decoupled_decay = true;  // AdamW; false: torch.optim.Adam, where decay is added to the gradient
};

/// The optimiser of some parameters; shares them, and owns their moments, on their device.
class Adam {
 public:
  /// Parameters with one weight decay.
  struct Group {
    std::vector<Module::Entry> params;
    float weight_decay = 0.F;
  };
  Adam(std::vector<Group>, AdamSpec);

  /// One update of every parameter that has a gradient. The others stay as they are, and so does their step count.
  void step(double lr);

  // The same in three calls, for who asks a device for the update before it is known whether there will be one.
  /// What the next update has of the learning rate and of the steps so far; brings it to the device.
  void set_rates(double lr);
  /// Queues the update with those rates. `verdict`, if given, is a number on the device: where it is not 0 when the
  /// device comes to it (NaN is not), everything stays as it is.
  void update(const Tensor& verdict = {});
  /// Counts an update that was made.
  void count_update();

  /// Every parameter's gradient becomes "none".
  void zero_grad();

  /// "exp_avg.<param>", "exp_avg_sq.<param>" and "step.<param>" (f32 [], as PyTorch's).
  std::vector<Module::Entry> entries() const;
  State state() const;  // copies, in PyTorch's layout
  /// What state() gave; throws ErrorKind::bad_data where names or shapes differ, or a step is no whole number.
  void load(const State&);

 private:
  struct Slot {
    Module::Entry param;
    float weight_decay;
    Tensor exp_avg, exp_avg_sq;
    Tensor step;  // updates so far, on the CPU
  };

  std::vector<Slot> slots_;
  AdamSpec spec_;
  Tensor rates_;  // of each slot's next update, on their device (engine/optim.cpp: Rates)
};

/// (base - end) * (1 - step/total)^power + end; the first update (step 0) uses base.
double polynomial_lr(double base, double end, i64 step, i64 total, double power = 0.9);

}  // namespace md
