// One T for every thread, made before the parallel region that uses them: an exception (no memory) cannot leave such a
// region, it ends the process.
#pragma once
#include <omp.h>

#include <cstddef>
#include <vector>

#include "engine/cpu/kernel_set.h"

namespace md::MD_KERNELS {

template <class T>
class PerThread {
 public:
  template <class... Args>
  explicit PerThread(const Args&... args) {
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    all_.reserve(threads);
    while (all_.size() < threads) all_.emplace_back(args...);
  }
  /// The object of the calling thread, inside a parallel region.
  T& mine() { return all_[static_cast<std::size_t>(omp_get_thread_num())]; }

 private:
  std::vector<T> all_;
};

}  // namespace md::MD_KERNELS
