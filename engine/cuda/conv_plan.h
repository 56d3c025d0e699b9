// One convolution as an execution plan of cuDNN: the engines of its heuristics' lists that are deterministic, exact
// enough and content with the workspace, and one of them by its number. Wants the properties of a GPU, not a GPU: the
// tests finalise the plans of whole networks for GPUs that they do not have.
#pragma once
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "engine/cuda/conv_graph.h"

namespace md::cuda {

/// Which engine of cuDNN's does what of a problem: with the same cuDNN and the same GPU the same bits.
struct EngineChoice {
  bool adds_bias, activates;                 // by the plan; what it does not do is left to the caller
  i64 engine;                                // cuDNN's number of it
  std::vector<std::pair<i64, i64>> knobs{};  // its settings: a cudnnBackendKnobType_t and a value
  auto operator<=>(const EngineChoice&) const = default;
};

struct ConvPlan {
  EngineChoice choice;
  std::size_t workspace_bytes;
  bool compiled;  // at run time, which takes a second or more
  Descriptor plan;
};

/// How far PlanProposals goes.
struct ProposalLimits {
  bool both_modes = false;                              // of the heuristics; else the more careful one alone
  int most_compiled = std::numeric_limits<int>::max();  // plans that cuDNN compiles at run time
};

/// The plans that are good enough for a problem, the most promising first. Each is made when it is asked for.
class PlanProposals {
 public:
  PlanProposals(const ConvProblem&, const Descriptor& device, ProposalLimits = {});
  /// Empty after the last.
  std::optional<ConvPlan> next();
  /// Why cuDNN compiled nothing so far where it might have; "" where it did, or had no reason to.
  const std::string& cannot_compile() const { return cannot_compile_; }

 private:
  bool next_list();
  std::optional<ConvPlan> try_plan(const Descriptor& proposal);

  const ConvProblem problem_;
  const Descriptor& device_;
  ProposalLimits limits_;
  std::vector<Fusion> fusions_;
  std::size_t fusion_ = 0, list_ = 0, at_ = 0;  // the graph, the list of proposals for it, and where in that list
  std::optional<Descriptor> graph_;
  std::vector<Descriptor> proposals_;
  std::set<EngineChoice> seen_;
  std::set<i64> planned_;  // engines that have a plan for this graph
  std::string cannot_compile_;
};

/// The first of the proposals. Throws ErrorKind::no_device where there is none.
ConvPlan plan_conv(const ConvProblem&, const Descriptor& device);
[[noreturn]] void fail_without_plan(const ConvProblem&);

/// The plan of a choice that was made before; empty where cuDNN does not know it here.
std::optional<ConvPlan> plan_again(const ConvProblem&, const EngineChoice&, const Descriptor& device);

/// Properties of a GPU, for plan_conv: by its index, or from the handle where cuDNN does not take the index.
Descriptor device_properties(int index, cudnnHandle_t handle);

}  // namespace md::cuda
