// How long a piece of work takes.
#pragma once
#include <functional>

namespace md {

/// Of single runs, in seconds. Other programs make runs slower, never faster.
struct Times {
  double median_s, fastest_s;
  double lower_s, upper_s;  // quartiles
};

/// Times `work`, after two runs to warm up: at least three runs and `at_least_s` in all. `before`, if given, runs
/// before each and is not counted.
Times time_runs(double at_least_s, const std::function<void()>& work, const std::function<void()>& before = {});
double median_s(double at_least_s, const std::function<void()>& work);

}  // namespace md
