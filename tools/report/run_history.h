// What metrics.jsonl tells of a run: each step, each evaluation, what was skipped, and where the run went on or back.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "tools/train/thresholds.h"

namespace md {

/// A training run as a course of steps. A loss that is not finite is left out.
struct RunHistory {
  struct Step {
    i64 step = 0;
    std::map<std::string, double> losses = {};  // "loss" and its terms, by their names
    double lr = 0, seconds = 0, waited_s = 0;
    std::optional<Thresholds> thresholds = {};  // as they stood after it, where they are adaptive
  };
  struct Evaluation {
    i64 step = 0;
    nlohmann::json measures;  // as to_json(Evaluation) writes them
  };
  struct Event {
    i64 step = 0;
    std::string what;
  };
  std::vector<Step> steps = {};
  std::vector<Evaluation> evaluations = {};
  std::vector<Event> skipped = {};    // steps that updated nothing, and why
  std::vector<Event> continued = {};  // where the run was resumed, or went back by itself; sorted by step
  i64 replaced_frames = 0;

  /// Names of the losses, "loss" first.
  std::vector<std::string> loss_names() const;
};

/// Of a run's folder; a last line that was cut off is passed over. Throws ErrorKind::missing, or ErrorKind::bad_data
/// naming file and line.
RunHistory read_history(const std::string& run);

}  // namespace md
