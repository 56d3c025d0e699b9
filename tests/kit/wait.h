// Waiting for something that another thread or process does, never without end.
#pragma once
#include <chrono>
#include <thread>

namespace md::test {

/// Asks every other millisecond whether it is so; false if it is not after `limit_s` seconds.
template <class Condition>
bool wait_until(const Condition& is_so, double limit_s) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit_s));
  while (!is_so()) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace md::test
