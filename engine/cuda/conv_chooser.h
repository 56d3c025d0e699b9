// Which plan a problem gets where it is first met: the one that a checkpoint has, or a file of an earlier process, else
// one of cuDNN's proposals, as PlanChoice (engine/plan_choice.h) says.
#pragma once
#include <functional>

#include "engine/cuda/plan_clock.h"
#include "engine/cuda/plan_files.h"
#include "engine/plan_choice.h"
#include "engine/pool.h"

namespace md::cuda {

/// What a problem got.
struct ChosenPlan {
  ConvPlan plan;
  std::string problem;  // its name in lists and files
};

class ConvChooser {
 public:
  /// `device`: of runtime(). Workspaces are tried out in its pool.
  ConvChooser(PlanOwner, Descriptor device, std::unique_ptr<PlanClock>);

  /// Queues one execution of a plan, and what the plan leaves to the caller, on operands that a problem's plans may
  /// overwrite again and again.
  using Run = std::function<void(const ConvPlan&)>;
  /// Throws ErrorKind::no_device where cuDNN has no plan, and OutOfMemory where there is no room for any's workspace.
  ChosenPlan choose(const ConvProblem&, const Run&);

  /// These are chosen from now on, where their problems come.
  void take(PlanList list) { taken_ = std::move(list); }
  const PlanList& taken() const { return taken_; }
  const PlanOwner& owner() const { return owner_; }

 private:
  void follow(const PlanChoice&);
  std::optional<ConvPlan> chosen_before(const ConvProblem&, const std::string& name);
  ConvPlan first(const ConvProblem&);
  ConvPlan fastest(const ConvProblem&, const Run&);
  double fastest_run_ms(const ConvPlan&, const Run&);
  bool has_room(const ConvProblem&, const ConvPlan&);
  ConvPlan found(const ConvProblem&, std::optional<ConvPlan>, const PlanProposals&);
  void say(const std::string&) const;
  void say_once(bool& said, const std::string&) const;

  PlanOwner owner_;
  Descriptor device_;
  std::unique_ptr<PlanClock> clock_;
  PlanList taken_;
  PlanChoice how_;
  PlanFiles files_;
  std::optional<OutOfMemory> no_room_;  // of the problem at hand
  bool said_timing_ = false, said_compiler_ = false;
};

}  // namespace md::cuda
