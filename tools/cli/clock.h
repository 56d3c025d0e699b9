// Wall time for what the tools report.
#pragma once
#include <chrono>

namespace md {

/// Seconds since some moment in the past; never goes back.
inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace md
