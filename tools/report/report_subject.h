// What a report is about: one training run, one checkpoint, or one program's predictions; each is a column of its
// tables.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/eval/evaluation_guest.h"
#include "tools/report/breakdown.h"
#include "tools/report/run_history.h"
#include "tools/run/checkpoint.h"

namespace md {

/// A method's evaluation on a list.
struct EvaluatedSubject {
  Results results;
  Breakdown breakdown;
  EvaluationSource source;        // what it refers to must outlive the subject
  std::string data_folder, list;  // as the user named them
};

/// A method.
struct ReportSubject {
  std::string name;                 // short, and different from that of the others
  std::string net = {};             // of a checkpoint; empty: not known
  nlohmann::json config = nullptr;  // of a checkpoint or a run
  std::string config_toml = {};     // a run's, with its head of comments
  std::string checkpoint = {}, computed_on = {}, git = {};
  std::string data_check = {};             // what the training frames look like; empty: not looked at
  std::vector<std::string> repeat = {};    // commands
  std::optional<RunHistory> history = {};  // of a run
  std::shared_ptr<void> keeps = {};        // what `evaluated` refers to, where the subject owns it: it goes last
  std::optional<EvaluatedSubject> evaluated = {};

  /// Whether it was trained with MetricDepth.
  bool metric_depth() const { return config.is_object() && config.value("metric-depth", false); }
};

/// Of some subjects those with an evaluation.
std::vector<const ReportSubject*> evaluated_subjects(const std::vector<ReportSubject>&);

}  // namespace md
