#include "engine/cuda/conv_chooser.h"

#include <algorithm>
#include <limits>

#include "engine/cuda/runtime.h"

namespace md::cuda {
namespace {

constexpr int kMostTimed = 8, kRuns = 3;  // the first run may have to load the kernel
constexpr int kMostCompiled = 3;          // of those timed: compiling takes longer than everything else

}  // namespace

ConvChooser::ConvChooser(PlanOwner owner, Descriptor device, std::unique_ptr<PlanClock> clock)
    : owner_(std::move(owner)), device_(std::move(device)), clock_(std::move(clock)), files_("", owner_, {}) {}

ChosenPlan ConvChooser::choose(const ConvProblem& p, const Run& run) {
  follow(plan_choice());
  no_room_.reset();
  const std::string name = cat(how_.timed ? "timed: " : "", p.key());
  if (std::optional<ConvPlan> plan = chosen_before(p, name)) return {std::move(*plan), name};
  ConvPlan plan = how_.timed ? fastest(p, run) : first(p);
  if (!no_room_) files_.keep(name, save_plan(plan));  // another process may have the memory
  return {std::move(plan), name};
}

void ConvChooser::follow(const PlanChoice& how) {
  if (how.folder != files_.folder()) files_ = PlanFiles(how.folder, owner_, [this](const auto& line) { say(line); });
  how_ = how;
}

std::optional<ConvPlan> ConvChooser::chosen_before(const ConvProblem& p, const std::string& name) {
  std::optional<SavedPlan> saved = files_.find(name);
  const bool on_disk = saved.has_value();
  if (const auto taken = taken_.find(name); taken != taken_.end()) {
    if (!saved || saved->choice != taken->second) saved = SavedPlan{taken->second, ""};
  }
  if (!saved) return std::nullopt;
  std::optional<ConvPlan> plan = load_plan(p, *saved, device_);
  if (!plan) say(cat("cuDNN does not make the plan that was chosen before for ", p.str(), ": it is chosen anew"));
  if (!plan || !has_room(p, *plan)) return std::nullopt;
  if (!on_disk) files_.keep(name, save_plan(*plan));
  return plan;
}

ConvPlan ConvChooser::first(const ConvProblem& p) {
  PlanProposals proposals(p, device_);
  std::optional<ConvPlan> plan = proposals.next();
  while (plan && !has_room(p, *plan)) plan = proposals.next();
  return found(p, std::move(plan), proposals);
}

ConvPlan ConvChooser::fastest(const ConvProblem& p, const Run& run) {
  say_once(said_timing_, cat("timing plans of convolutions, where a shape is first met",
                             how_.folder.empty() ? "" : cat("; they are kept in ", how_.folder)));
  PlanProposals proposals(p, device_, {.both_modes = true, .most_compiled = kMostCompiled});
  std::optional<ConvPlan> best;
  double best_ms = std::numeric_limits<double>::infinity();
  for (int timed = 0; timed < kMostTimed;) {
    std::optional<ConvPlan> plan = proposals.next();
    if (!plan) break;
    if (!has_room(p, *plan)) continue;
    const double ms = fastest_run_ms(*plan, run);
    ++timed;
    if (best && ms >= best_ms) continue;
    best = std::move(plan);
    best_ms = ms;
  }
  return found(p, std::move(best), proposals);
}

double ConvChooser::fastest_run_ms(const ConvPlan& plan, const Run& run) {
  double ms = std::numeric_limits<double>::infinity();
  try {
    for (int i = 0; i < kRuns; ++i) ms = std::min(ms, clock_->ms([&] { run(plan); }));
  } catch (...) {
    cudaStreamSynchronize(runtime().compute);  // the plan goes with the exception: what was queued of it must have run
    throw;
  }
  return ms;
}

/// For the plan's workspace, which goes back to the pool at once.
bool ConvChooser::has_room(const ConvProblem& p, const ConvPlan& plan) {
  if (plan.workspace_bytes == 0) return true;
  try {
    Tensor::empty({static_cast<i64>(plan.workspace_bytes)}, {Device::cuda, runtime().index}, DType::u8);
    return true;
  } catch (const OutOfMemory& error) {
    if (!no_room_) say(cat("no memory for the workspace of the best plan of ", p.str(), ": ", error.what()));
    no_room_.emplace(error);
    return false;
  }
}

ConvPlan ConvChooser::found(const ConvProblem& p, std::optional<ConvPlan> plan, const PlanProposals& proposals) {
  if (const std::string& why = proposals.cannot_compile(); !why.empty())
    say_once(said_compiler_,
             cat("cuDNN compiles no kernels (", why, "): the activations of convolutions are passes of their own"));
  if (plan) return std::move(*plan);
  if (no_room_) throw OutOfMemory(*no_room_);
  fail_without_plan(p);
}

void ConvChooser::say(const std::string& line) const {
  if (how_.say) how_.say(line);
}

void ConvChooser::say_once(bool& said, const std::string& line) const {
  if (!said) say(line);
  said = true;
}

}  // namespace md::cuda
