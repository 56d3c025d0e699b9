// JSON. A file of one plan is {"sha256": of the rest's text, "plan": the rest}: cuDNN need not find what a disk
// spoiled.
#include "engine/cuda/saved_plan.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/sha256.h"

namespace md::cuda {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;  // raised when other plans are acceptable than before, too

json to_json(const EngineChoice& c) {
  return {{"bias", c.adds_bias}, {"act", c.activates}, {"engine", c.engine}, {"knobs", c.knobs}};
}

EngineChoice engine_choice(const json& j) {
  return {.adds_bias = j.at("bias"),
          .activates = j.at("act"),
          .engine = j.at("engine"),
          .knobs = j.at("knobs").get<decltype(EngineChoice::knobs)>()};
}

json to_json(const PlanOwner& owner) { return {{"format", kFormat}, {"cudnn", owner.cudnn}, {"gpu", owner.gpu}}; }

std::string digest(const json& j) {
  const std::string text = j.dump();
  Sha256 sum;
  sum.update(text.data(), text.size());
  return sum.finish();
}

std::string json_of(const Descriptor& plan) {
  const auto text = plan.get_list<char>(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
  return {text.data(), strnlen(text.data(), text.size())};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const PlanOwner& owner) {
  constexpr std::size_t kMajor = 10000, kMinor = 100;
  return out << "cuDNN " << owner.cudnn / kMajor << "." << owner.cudnn % kMajor / kMinor << "." << owner.cudnn % kMinor
             << " on " << owner.gpu;
}

SavedPlan save_plan(const ConvPlan& plan) { return {plan.choice, plan.compiled ? json_of(plan.plan) : ""}; }

std::optional<ConvPlan> load_plan(const ConvProblem& p, const SavedPlan& saved, const Descriptor& device) {
  if (saved.compiled.empty()) return plan_again(p, saved.choice, device);
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
      .set_list(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, saved.compiled);
  if (!plan.is_accepted()) return plan_again(p, saved.choice, device);
  const auto bytes = static_cast<std::size_t>(plan.get<i64>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  return ConvPlan{saved.choice, bytes, true, std::move(plan)};
}

std::string to_text(const PlanOwner& owner, const std::string& problem, const SavedPlan& saved) {
  json rest = to_json(owner);
  rest["problem"] = problem;
  rest["choice"] = to_json(saved.choice);
  rest["compiled"] = saved.compiled;
  return json{{"sha256", digest(rest)}, {"plan", rest}}.dump() + "\n";
}

std::string read_text(const std::string& text, const PlanOwner& owner, const std::string& problem, SavedPlan& saved) {
  const json all = json::parse(text, nullptr, false);
  try {
    const json& rest = all.at("plan");
    if (all.at("sha256") != digest(rest)) return "damaged";
    if (rest.at("format") != kFormat) return "of another version of this program";
    const PlanOwner whose{rest.at("cudnn"), rest.at("gpu")};
    if (!(whose == owner)) return cat("of ", whose);
    if (rest.at("problem") != problem) return "of another convolution";
    saved = {engine_choice(rest.at("choice")), rest.at("compiled")};
    return "";
  } catch (const json::exception&) {
    return "damaged";
  }
}

std::string to_text(const PlanOwner& owner, const PlanList& list) {
  json all = to_json(owner);
  all["plans"] = json::object();
  for (const auto& [problem, choice] : list) all["plans"][problem] = to_json(choice);
  return all.dump();
}

std::pair<PlanOwner, PlanList> read_list(const std::string& text) {
  try {
    const json all = json::parse(text);
    PlanList list;
    for (const auto& [problem, choice] : all.at("plans").items()) list[problem] = engine_choice(choice);
    return {{all.at("cudnn"), all.at("gpu")}, list};
  } catch (const json::exception& error) {
    fail(ErrorKind::bad_data, "plans of convolutions: ", error.what());
  }
}

}  // namespace md::cuda
