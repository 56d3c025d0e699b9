// Memory that a kernel needs while it runs, from the backend's pool: not zeroed, and there again for the next one.
#pragma once
#include "engine/cpu/vec.h"

namespace md::MD_KERNELS {

/// So many floats.
class Workspace {
 public:
  explicit Workspace(i64 floats) : memory_({}, std::size_t(floats) * sizeof(float)) {}
  /// The first of them.
  float* data() const { return static_cast<float*>(memory_.data); }

 private:
  Storage memory_;
};

/// So many for each thread; to be made before the parallel region that uses them.
class ThreadWorkspaces {
 public:
  explicit ThreadWorkspaces(i64 floats)
      : floats_((floats + 2 * kLanes - 1) / kLanes * kLanes), memory_(floats_ * omp_get_max_threads()) {}
  /// Those of the calling thread, inside a parallel region.
  float* mine() const { return memory_.data() + omp_get_thread_num() * floats_; }

 private:
  i64 floats_;
  Workspace memory_;
};

}  // namespace md::MD_KERNELS
