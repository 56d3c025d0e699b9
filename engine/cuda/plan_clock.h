// How long the GPU takes for something. Tests bring a clock that says what they want it to say.
#pragma once
#include <functional>
#include <memory>

namespace md::cuda {

class PlanClock {
 public:
  virtual ~PlanClock() = default;
  /// Milliseconds that the GPU works on what `run` queues on the compute stream; all of it has run on return.
  virtual double ms(const std::function<void()>& run) = 0;
};

/// By events around it.
std::unique_ptr<PlanClock> gpu_clock();

}  // namespace md::cuda
