#include "tools/bench/timing.h"

#include <algorithm>
#include <vector>

#include "tools/cli/clock.h"

namespace md {

Times time_runs(double at_least_s, const std::function<void()>& work, const std::function<void()>& before) {
  std::vector<double> times;
  double total_s = 0;
  for (int run = -2; run < 3 || total_s < at_least_s; ++run) {
    if (before) before();
    const double start_s = now_s();
    work();
    if (run < 0) continue;
    times.push_back(now_s() - start_s);
    total_s += times.back();
  }
  std::sort(times.begin(), times.end());
  const std::size_t n = times.size();
  return {times[n / 2], times[0], times[n / 4], times[(3 * n) / 4]};
}

double median_s(double at_least_s, const std::function<void()>& work) { return time_runs(at_least_s, work).median_s; }

}  // namespace md
