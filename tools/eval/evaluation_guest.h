// Who else looks at an evaluation while a command makes it (a report, tools/report).
#pragma once
#include <functional>

#include "tools/eval/results.h"
#include "tools/run/checkpoint.h"

namespace md {

/// What an evaluation was made from: any of its frames can be asked for again.
struct EvaluationSource {
  const Dataset& data;
  const EvaluateOptions& options;
  Predictor predictor;
  const LoadedNet* loaded = nullptr;  // null: predictions of another program
};

/// Each may be empty.
struct EvaluationGuest {
  std::function<void(const EvaluatedFrame&, const Protocol&)> on_frame;
  std::function<void(const Results&, const EvaluationSource&)> on_results;
};

}  // namespace md
