// Plans as text, for other processes on the same GPU with the same cuDNN.
#pragma once
#include <map>
#include <string>

#include "engine/cuda/conv_plan.h"

namespace md::cuda {

/// Whose plans they are.
struct PlanOwner {
  std::size_t cudnn;  // cudnnGetVersion()
  std::string gpu;    // "NVIDIA H100, sm_90, 132 multiprocessors"
  bool operator==(const PlanOwner&) const = default;
};
std::ostream& operator<<(std::ostream&, const PlanOwner&);  // "cuDNN 9.19.0 on NVIDIA H100, ..."

/// A plan that was chosen for a problem.
struct SavedPlan {
  EngineChoice choice;
  std::string compiled;  // cuDNN's text of a plan with the code that it compiled at run time; else empty
};
SavedPlan save_plan(const ConvPlan&);
/// Empty where cuDNN does not make it here. Where it does not take its own text (it wants the very driver, too), the
/// code is compiled again.
std::optional<ConvPlan> load_plan(const ConvProblem&, const SavedPlan&, const Descriptor& device);

/// A plan in a file of its own. Code that was compiled is part of it: a file of somebody else's is none to read.
std::string to_text(const PlanOwner&, const std::string& problem, const SavedPlan&);
/// What is wrong with a text that is not of this owner and problem, or was damaged, else "".
std::string read_text(const std::string& text, const PlanOwner&, const std::string& problem, SavedPlan&);

/// Choices by problem, without code.
using PlanList = std::map<std::string, EngineChoice>;
std::string to_text(const PlanOwner&, const PlanList&);
/// Throws ErrorKind::bad_data.
std::pair<PlanOwner, PlanList> read_list(const std::string& text);

}  // namespace md::cuda
