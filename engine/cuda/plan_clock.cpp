#include "engine/cuda/plan_clock.h"

#include "engine/cuda/runtime.h"

namespace md::cuda {
namespace {

/// A point in the compute stream, with its time.
class TimedEvent {
 public:
  TimedEvent() { MD_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDefault)); }
  ~TimedEvent() { cudaEventDestroy(event_); }
  TimedEvent(const TimedEvent&) = delete;
  TimedEvent& operator=(const TimedEvent&) = delete;
  void record() { MD_CUDA(cudaEventRecord(event_, runtime().compute)); }
  /// Waits until it has passed.
  double ms_since(const TimedEvent& before) const {
    float ms = 0;
    MD_CUDA(cudaEventSynchronize(event_));
    MD_CUDA(cudaEventElapsedTime(&ms, before.event_, event_));
    return ms;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class GpuClock final : public PlanClock {
 public:
  double ms(const std::function<void()>& run) override {
    TimedEvent begin, end;
    begin.record();
    run();
    end.record();
    return end.ms_since(begin);
  }
};

}  // namespace

std::unique_ptr<PlanClock> gpu_clock() { return std::make_unique<GpuClock>(); }

}  // namespace md::cuda
