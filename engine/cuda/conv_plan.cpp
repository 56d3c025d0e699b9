#include "engine/cuda/conv_plan.h"

#include <algorithm>
#include <array>

namespace md::cuda {
namespace {

/// Bytes. Engines that want more are passed over.
constexpr std::size_t kMostWorkspace = std::size_t{512} << 20;

/// What cuDNN's heuristics propose for the graph, best first.
std::vector<Descriptor> proposals(const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device) {
  Descriptor h(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  h.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  if (!h.try_finalize()) return {};
  return h.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

/// Elements of both in turns, a's first.
std::vector<Descriptor> alternately(std::vector<Descriptor> a, std::vector<Descriptor> b) {
  std::vector<Descriptor> all;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size()) all.push_back(std::move(a[i]));
    if (i < b.size()) all.push_back(std::move(b[i]));
  }
  return all;
}

/// Two runs must give the same bits, and strict f32 must not lose any: tensor cores round f32 factors to TF32, and
/// Winograd's large tiles and the FFT trade digits for speed.
bool refused(const ConvProblem& p, cudnnBackendNumericalNote_t note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      return true;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      return p.dtype == DType::f32 && !p.tf32;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:  // to 16 bits, whose range gradients leave
      return p.dtype == DType::f32;
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
      return !p.tf32;
    default:
      return false;
  }
}

bool trusted(const ConvProblem& p, const Descriptor& engine) {
  const auto notes = engine.get_list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
  return std::none_of(notes.begin(), notes.end(), [&](auto note) { return refused(p, note); });
}

bool compiles_at_run_time(const Descriptor& engine) {
  const auto notes = engine.get_list<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE);
  return std::find(notes.begin(), notes.end(), CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) != notes.end();
}

Descriptor engine_of(const Descriptor& proposal) {
  return std::move(proposal.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR).at(0));
}

std::vector<std::pair<i64, i64>> knobs_of(const Descriptor& proposal) {
  std::vector<std::pair<i64, i64>> knobs;
  constexpr int kMost = 32;  // cuDNN does not say how many there are before it has room for them
  for (const Descriptor& d :
       proposal.get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, kMost))
    knobs.emplace_back(d.get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE),
                       d.get<i64>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  std::sort(knobs.begin(), knobs.end());
  return knobs;
}

/// The plan of one engine's settings; empty where they do not run on the device or want too much memory.
std::optional<ConvPlan> finalised(EngineChoice choice, bool compiled, const Descriptor& config,
                                  const Descriptor& device) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config).set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  if (!plan.try_finalize()) return std::nullopt;
  const auto bytes = static_cast<std::size_t>(plan.get<i64>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  if (bytes > kMostWorkspace) return std::nullopt;
  return ConvPlan{std::move(choice), bytes, compiled, std::move(plan)};
}

/// What cuDNN says where libnvrtc or a driver is missing, or the compiler fails; "" where it says something else.
std::string compiler_trouble() {
  const std::string words = last_words(1 << 14);
  if (words.find("libnvrtc == nullptr") != std::string::npos) return "libnvrtc was not found";
  if (words.find("libcuda == nullptr") != std::string::npos) return "the driver was not found";
  if (words.find("COMPILATION_FAILED") != std::string::npos) return "its compiler failed";
  return "";
}

}  // namespace

PlanProposals::PlanProposals(const ConvProblem& p, const Descriptor& device, ProposalLimits limits)
    : problem_(p), device_(device), limits_(limits), fusions_(fusions(p)), graph_(conv_graph(p, fusions_[0])) {}

std::optional<ConvPlan> PlanProposals::next() {
  for (;;) {
    while (at_ < proposals_.size()) {
      if (std::optional<ConvPlan> plan = try_plan(proposals_[at_++])) return plan;
    }
    if (!next_list()) return std::nullopt;
  }
}

/// Of this graph, or the first one of the next; false where there is none.
bool PlanProposals::next_list() {
  constexpr std::size_t kLists = 2;
  if (list_ == kLists || !graph_) {
    if (fusion_ + 1 == fusions_.size()) return false;
    if (planned_.empty() && cannot_compile_.empty() && fusions_[fusion_].act) cannot_compile_ = compiler_trouble();
    graph_ = conv_graph(problem_, fusions_[++fusion_]);
    list_ = at_ = 0;
    proposals_.clear();
    planned_.clear();
    return true;
  }
  // Mode B takes longer than A, but names exact engines that A leaves to its last resort (a naive kernel).
  if (list_++ == 0) {
    proposals_ = proposals(*graph_, CUDNN_HEUR_MODE_B, device_);
    if (limits_.both_modes)
      proposals_ = alternately(std::move(proposals_), proposals(*graph_, CUDNN_HEUR_MODE_A, device_));
  } else {
    proposals_ = proposals(*graph_, CUDNN_HEUR_MODE_FALLBACK, device_);
  }
  at_ = 0;
  return true;
}

/// Empty where its engine is refused, was there already or does not run on the device.
std::optional<ConvPlan> PlanProposals::try_plan(const Descriptor& proposal) {
  const Descriptor engine = engine_of(proposal);
  if (!trusted(problem_, engine)) return std::nullopt;
  const Fusion fused = fusions_[fusion_];
  EngineChoice choice{fused.bias, fused.act, engine.get<i64>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), knobs_of(proposal)};
  if (choice.knobs.empty() && planned_.contains(choice.engine)) return std::nullopt;  // as cuDNN sets them anyway
  if (!seen_.insert(choice).second) return std::nullopt;
  const bool compiled = compiles_at_run_time(engine);
  if (compiled && limits_.most_compiled == 0) return std::nullopt;
  std::optional<ConvPlan> plan = finalised(std::move(choice), compiled, proposal, device_);
  if (plan) planned_.insert(plan->choice.engine);
  if (plan && compiled) --limits_.most_compiled;
  if (!plan && compiled && cannot_compile_.empty()) cannot_compile_ = compiler_trouble();
  return plan;
}

void fail_without_plan(const ConvProblem& p) {
  fail(ErrorKind::no_device, "cuDNN ", cudnnGetVersion(), " has no deterministic engine for convolution ", p.str());
}

ConvPlan plan_conv(const ConvProblem& p, const Descriptor& device) {
  std::optional<ConvPlan> plan = PlanProposals(p, device).next();
  if (!plan) fail_without_plan(p);
  return std::move(*plan);
}

std::optional<ConvPlan> plan_again(const ConvProblem& p, const EngineChoice& choice, const Descriptor& device) {
  const std::optional<Descriptor> graph = conv_graph(p, {choice.adds_bias, choice.activates});
  if (!graph) return std::nullopt;
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR), config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, *graph)
      .set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, choice.engine)
      .set(CUDNN_ATTR_ENGINE_DEVICEPROP, device);
  if (!engine.is_accepted() || !trusted(p, engine)) return std::nullopt;
  std::vector<Descriptor> knobs;
  for (const auto& [type, value] : choice.knobs) {
    knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR)
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(type))
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value);
    if (!knobs.back().is_accepted()) return std::nullopt;
  }
  config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!knobs.empty()) config.set_list(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  if (!config.is_accepted()) return std::nullopt;
  return finalised(choice, compiles_at_run_time(engine), config, device);
}

Descriptor device_properties(int index, cudnnHandle_t handle) {
  Descriptor by_index(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), by_handle(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  if (by_index.is_accepted(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, std::int32_t{index}) && by_index.is_accepted())
    return by_index;
  by_handle.set(CUDNN_ATTR_DEVICEPROP_HANDLE, handle).finalize();
  return by_handle;
}

}  // namespace md::cuda
