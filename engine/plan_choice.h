// How a GPU's library computes each convolution (its plan): a choice of the whole process. A CPU has no plans.
#pragma once
#include <functional>
#include <string>

namespace md {

struct PlanChoice {
  /// Where a shape is first met, several plans are timed and the fastest is kept; else it is the one that the library
  /// proposes first. Results of different plans agree up to rounding.
  bool timed = false;
  /// Where plans are kept for later processes; made if it is not there. Empty: nowhere.
  std::string folder = {};
  /// Called with what somebody may want to know, one line each; empty: nobody does.
  std::function<void(const std::string&)> say = {};
};

/// What was chosen last; PlanChoice{} until then.
PlanChoice plan_choice();
/// For all plans that are made from now on.
void choose_plans(const PlanChoice&);

}  // namespace md
